package compress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"cove/errdefs"
	"cove/layers/compress/codec"
)

// A zstd layer is written as frames that are compressed each for itself, and each says
// in its header how many bytes it unpacks to. Any reader unpacks such a stream one frame
// after the other. Where a frame ends can be told from the headers of its blocks (RFC
// 8878, 3.1.1) without unpacking it, so frames are unpacked on every core, whoever
// wrote them; one that does not say its size, or is long, ends that.
const (
	zstdBlock  = 2 << 20 // it decides the bytes, so it never follows the machine
	maxFrame   = 4 << 20 // unpacked bytes of a frame that is unpacked whole
	zstdHeader = 18      // bytes of the longest frame header

	fastestZstd      = 1
	defaultZstdLevel = 2
	bestZstd         = 4
)

func newZstd(w io.Writer, opt Options) (*Writer, error) {
	level := opt.Level
	if level == 0 {
		level = defaultZstdLevel
	}
	if level < fastestZstd || level > bestZstd {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "compressing: zstd level %d is not between 1 and 4", level)
	}
	libs, err := codec.Linked()
	if err != nil {
		return nil, err
	}
	pack := func(block, to []byte) packed {
		frame, err := libs.ZstdFrame(block, to, level)
		if err != nil {
			err = fmt.Errorf("compressing: %w", err)
		}
		return packed{frame, err}
	}
	alone := func(block []byte) error {
		if len(block) == 0 {
			return nil
		}
		frame := pack(block, nil)
		if frame.err != nil {
			return frame.err
		}
		_, err := w.Write(frame.bytes)
		return err
	}
	b := &blockWriter{w: w, size: zstdBlock, workers: opt.Workers, pack: pack, alone: alone}
	return &Writer{b, fmt.Sprintf("zstd;klauspost/compress;level=%d;frames=%d", level, zstdBlock)}, nil
}

// zstdFrame is what a frame's header says.
type zstdFrame struct {
	header     int   // its own length
	content    int64 // unpacked bytes, -1 when it does not say it
	window     int64
	checksum   bool
	dictionary bool
}

// parseZstd reads the header that head begins with, if it is one.
func parseZstd(head []byte) (f zstdFrame, ok bool) {
	if len(head) < 6 || binary.LittleEndian.Uint32(head) != 0xfd2fb528 {
		return f, false
	}
	descriptor := head[4]
	single := descriptor&0x20 != 0
	f.checksum = descriptor&4 != 0
	at := 5
	if !single {
		exponent, mantissa := head[at]>>3, int64(head[at]&7)
		base := int64(1) << (10 + exponent)
		f.window = base + base/8*mantissa
		at++
	}
	ids := [4]int{0, 1, 2, 4}[descriptor&3]
	f.dictionary = ids > 0
	at += ids
	size := [4]int{0, 2, 4, 8}[descriptor>>6]
	if size == 0 && single {
		size = 1
	}
	f.header = at + size
	if len(head) < f.header {
		return f, false
	}
	var field [8]byte
	copy(field[:], head[at:f.header])
	switch f.content = int64(binary.LittleEndian.Uint64(field[:]) & (1<<62 - 1)); size {
	case 0:
		f.content = -1
	case 2:
		f.content += 256
	}
	if single {
		f.window = f.content
	}
	return f, true
}

// zstdSkippable is how long the skippable frame is that head begins with, 0 for another.
func zstdSkippable(head []byte) int64 {
	if len(head) < 8 || binary.LittleEndian.Uint32(head)&^0xf != 0x184d2a50 {
		return 0
	}
	return 8 + int64(binary.LittleEndian.Uint32(head[4:]))
}

// blockOf reads the header of a block: how many bytes follow it, and whether it is the
// frame's last. A block of the reserved kind has -1.
func blockOf(h []byte) (size int, last bool) {
	v := int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	switch v >> 1 & 3 {
	case 1: // one byte, many times
		return 1, v&1 != 0
	case 3:
		return -1, false
	}
	return v >> 3, v&1 != 0
}

// zstdFrames are frames whose end is found by the headers of their blocks.
type zstdFrames struct {
	libs   *codec.Libraries
	window int64
}

func (z zstdFrames) cut(br *bufio.Reader, next *member) error {
	head, err := z.frame(br)
	if len(head) == 0 && err != nil {
		return err
	}
	f, ok := parseZstd(head)
	if !ok || f.dictionary || f.content < 0 || f.content > maxFrame || z.window > 0 && f.window > z.window {
		return errNoMember
	}
	next.unpacked = sized(next.unpacked, int(f.content))
	if err := next.take(br, f.header); err != nil {
		return err
	}
	for last := false; !last; {
		if err := next.take(br, 3); err != nil {
			return err
		}
		var size int
		size, last = blockOf(next.packed[len(next.packed)-3:])
		if size < 0 || len(next.packed)+size > 2*maxFrame {
			return errNoMember // the reader of any stream says what is wrong with it
		}
		if err := next.take(br, size); err != nil {
			return err
		}
	}
	if f.checksum {
		return next.take(br, 4)
	}
	return nil
}

// frame is the head of the next frame that is none to skip.
func (z zstdFrames) frame(br *bufio.Reader) ([]byte, error) {
	for {
		head, err := br.Peek(zstdHeader)
		n := zstdSkippable(head)
		if n == 0 {
			return head, err
		}
		if _, err := io.CopyN(io.Discard, br, n); err != nil {
			return nil, cutOff(err)
		}
	}
}

// take reads n bytes more of a member.
func (m *member) take(br *bufio.Reader, n int) error {
	at := len(m.packed)
	m.packed = slices.Grow(m.packed, n)[:at+n]
	_, err := io.ReadFull(br, m.packed[at:])
	return cutOff(err)
}

// cutOff is the error of a stream that ends within something.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (z zstdFrames) inflate(m *member) error {
	size := len(m.unpacked)
	out, err := z.libs.UnzstdFrame(m.packed, m.unpacked[:0])
	if err != nil {
		return err
	}
	if len(out) != size {
		return errdefs.Errorf(errdefs.ErrCorrupt, "a frame unpacks to %d bytes and says %d", len(out), size)
	}
	m.unpacked, m.out = out, out
	return nil
}

func (z zstdFrames) remainder(r io.Reader) (io.ReadCloser, error) { return z.libs.Unzstd(r, z.window) }

// framesSize adds up what the frames of a stream say; 0 when one says nothing.
func framesSize(r io.ReaderAt, size int64) (total int64) {
	for at := int64(0); at < size; {
		var head [zstdHeader]byte
		n, _ := r.ReadAt(head[:], at)
		if skip := zstdSkippable(head[:n]); skip > 0 {
			at += skip
			continue
		}
		f, ok := parseZstd(head[:n])
		if !ok || f.content < 0 {
			return 0
		}
		total += f.content
		at += int64(f.header)
		for last := false; !last; {
			var block int
			if n, _ := r.ReadAt(head[:3], at); n < 3 {
				return 0
			}
			if block, last = blockOf(head[:3]); block < 0 {
				return 0
			}
			at += 3 + int64(block)
		}
		if f.checksum {
			at += 4
		}
	}
	return total
}
