package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"

	"cove/errdefs"
)

// stream is zstd as others write it: one frame, which does not say its size.
func stream(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf)
	if err == nil {
		_, err = io.Copy(struct{ io.Writer }{w}, bytes.NewReader(data))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := parseZstd(buf.Bytes()); !ok || f.content >= 0 {
		t.Fatalf("a stream with a size: %+v", f)
	}
	return buf.Bytes()
}

// framesOf counts the frames of a stream and what they unpack to, by their headers.
func framesOf(t *testing.T, packed []byte) (n int, total int64) {
	t.Helper()
	for rest := packed; len(rest) > 0; n++ {
		f, ok := parseZstd(rest[:min(len(rest), zstdHeader)])
		if !ok || f.content < 0 || !f.checksum {
			t.Fatalf("frame %d: %+v, %v", n, f, ok)
		}
		total += f.content
		at := f.header
		for last := false; !last; {
			var size int
			size, last = blockOf(rest[at:])
			at += 3 + size
		}
		rest = rest[at+4:]
	}
	return n, total
}

// TestFramesAreZstdForEveryone: they are many, each says its size, and tools that know
// nothing of that unpack the same.
func TestFramesAreZstdForEveryone(t *testing.T) {
	t.Parallel()
	data := sample(5<<20 + 77)
	packed := pack(t, data, Options{Compression: Zstd}, whole)
	if n, total := framesOf(t, packed); n != 3 || total != int64(len(data)) {
		t.Errorf("%d frames of %d bytes", n, total)
	}
	if got := DeclaredSize(bytes.NewReader(packed), int64(len(packed))); got != int64(len(data)) {
		t.Errorf("declared: %d", got)
	}
	zr, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	if got, err := io.ReadAll(zr); err != nil || !bytes.Equal(got, data) {
		t.Errorf("klauspost/compress: %d bytes, %v", len(got), err)
	}
	for _, args := range [][]string{{"zstd", "-tq"}, {"zstd", "-dc"}, {"zstd", "-dc", "--memory=4MB"}} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("needs %s: not installed", args[0])
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Stdin = bytes.NewReader(packed)
		got, err := cmd.Output()
		if err != nil || args[1] != "-tq" && !bytes.Equal(got, data) {
			t.Errorf("%v: %d bytes, %v", args, len(got), err)
		}
	}
}

// TestFramesOfAnyone: whatever may be in a stream of zstd, in any order.
func TestFramesOfAnyone(t *testing.T) {
	t.Parallel()
	long, short := sample(5<<20+5), sample(1000)
	frames, one := pack(t, long, Options{Compression: Zstd}, whole), stream(t, long)
	tiny := pack(t, short, Options{Compression: Zstd}, whole)
	skip := append([]byte("\x53\x2a\x4d\x18\x05\x00\x00\x00"), "12345"...)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	huge := enc.EncodeAll(long, nil) // says its size, and is longer than is unpacked whole
	for name, c := range map[string]struct{ in, want [][]byte }{
		"one stream":       {[][]byte{one}, [][]byte{long}},
		"frames twice":     {[][]byte{frames, frames}, [][]byte{long, long}},
		"then a stream":    {[][]byte{frames, one, tiny}, [][]byte{long, long, short}},
		"a stream first":   {[][]byte{one, frames}, [][]byte{long, long}},
		"a long frame":     {[][]byte{tiny, huge, frames}, [][]byte{short, long, long}},
		"skippable frames": {[][]byte{skip, frames, skip, skip, tiny, skip}, [][]byte{long, short}},
		"skipped in rest":  {[][]byte{one, skip, tiny}, [][]byte{long, short}},
	} {
		got, found, err := unpack(bytes.NewReader(bytes.Join(c.in, nil)), Limits{})
		if err != nil || found != Zstd || !bytes.Equal(got, bytes.Join(c.want, nil)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, bad := range map[string][]byte{
		"rubbish after":      append(bytes.Clone(frames), "rubbish and more of it"...),
		"cut skippable":      append(bytes.Clone(frames), skip[:10]...),
		"cut between blocks": frames[:len(frames)-4],
	} {
		if got, _, err := unpack(bytes.NewReader(bad), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestLyingFrames: a size that is not the frame's is damage.
func TestLyingFrames(t *testing.T) {
	t.Parallel()
	good := pack(t, sample(3<<20), Options{Compression: Zstd}, whole)
	f, ok := parseZstd(good)
	if !ok || good[4]>>6 != 2 {
		t.Fatalf("a size of another length: %+v", f)
	}
	for name, size := range map[string]uint32{
		"less": zstdBlock - 1, "more": zstdBlock + 1, "much more": maxFrame, "a bomb": 1 << 31, "none": 0,
	} {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad[f.header-4:], size)
		if got, _, err := unpack(bytes.NewReader(bad), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) &&
			!errors.Is(err, errdefs.ErrExhausted) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	bad := bytes.Clone(good)
	bad[f.header] |= 6 // a reserved kind of block
	if got, _, err := unpack(bytes.NewReader(bad), Limits{}); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("reserved block: %d bytes, %v", len(got), err)
	}
	bomb := pack(t, make([]byte, 64<<20), Options{Compression: Zstd}, whole)
	if got, _, err := unpack(bytes.NewReader(bomb), Limits{Bytes: 3 << 20}); !errors.Is(err, errdefs.ErrExhausted) ||
		len(got) > 4<<20 {
		t.Errorf("a bomb: %d bytes, %v", len(got), err)
	}
}

// FuzzFrames: whatever a stream is, it is read as one reader of zstd reads it, or refused.
func FuzzFrames(f *testing.F) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	one := enc.EncodeAll([]byte("layer"), nil)
	f.Add(one)
	f.Add(append(bytes.Clone(one), one...))
	f.Add([]byte("\x53\x2a\x4d\x18\x00\x00\x00\x00\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51"))
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if Detect(b) != Zstd {
			return
		}
		got, _, err := unpack(bytes.NewReader(b), Limits{Bytes: 64 << 20})
		want, werr := dec.DecodeAll(b, nil)
		if err == nil && (werr != nil || !bytes.Equal(got, want)) {
			t.Errorf("%d bytes; a reader of zstd has %d, %v", len(got), len(want), werr)
		}
	})
}
