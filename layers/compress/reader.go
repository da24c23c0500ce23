package compress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"cove/errdefs"
	"cove/layers/compress/codec"
)

// Limits stop a stream that unpacks to more than it should. A field that is
// zero takes its default, a negative one is no limit.
type Limits struct {
	// Bytes is how many bytes may come out: 512 GiB.
	Bytes int64
	// Ratio is how many times as many bytes may come out as went in, once
	// RatioAfter bytes are out: 500 after 4 GiB. gzip can reach 1,030.
	Ratio      int64
	RatioAfter int64
	// Window is the largest zstd window or xz dictionary in bytes, which is
	// what decompressing holds in memory: 128 MiB, as zstd's own limit.
	Window int64
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int64
		value int64
	}{
		{&l.Bytes, 512 << 30},
		{&l.Ratio, 500},
		{&l.RatioAfter, 4 << 30},
		{&l.Window, 128 << 20},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// check judges what came out of what went in so far.
func (l Limits) check(in, out int64) error {
	if l.Bytes >= 0 && out > l.Bytes {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"decompressing: more than %d bytes come out; the limit is there against archive bombs", l.Bytes)
	}
	if l.Ratio >= 0 && out > l.RatioAfter && out/max(in, 1) > l.Ratio {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"decompressing: %d bytes come out of %d, more than %d times as many; the limit is there against archive bombs", out, in, l.Ratio)
	}
	return nil
}

const (
	chunkSize  = 256 << 10
	chunkAhead = 4 // chunks that may wait for Read
)

// Reader is a decompressed stream. It is not safe for concurrent use.
type Reader struct {
	// Compression is what was found.
	Compression Compression

	full chan chunk    // from the goroutine, closed after its last chunk
	free chan []byte   // back to it
	stop chan struct{} // closed by Close
	done chan struct{} // closed when the goroutine has ended

	buf  []byte // the chunk being read
	rest []byte // its unread end
	err  error  // what follows it
}

type chunk struct {
	buf []byte
	err error
}

// NewReader returns the decompressed form of r, whatever its compression. The
// work is done in a goroutine of its own, a bounded distance ahead of Read,
// so that decompression and what the caller does with the bytes overlap. A
// stream that breaks a limit is errdefs.ErrExhausted, a damaged one
// errdefs.ErrCorrupt; an error of r itself comes through as it is.
//
// Close must be called. It waits for a Read of r that is under way, so a
// caller whose r may block for long closes that first.
func NewReader(ctx context.Context, r io.Reader, lim Limits) (*Reader, error) {
	src := &source{r: r}
	br := bufio.NewReaderSize(src, 64<<10)
	head, err := br.Peek(HeadSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	lim = lim.withDefaults()
	c := Detect(head)
	dec, closeDec, err := decoder(c, br, lim)
	if err != nil {
		return nil, src.blame(c, err)
	}
	rd := &Reader{
		Compression: c,
		full:        make(chan chunk, chunkAhead),
		free:        make(chan []byte, chunkAhead+2),
		stop:        make(chan struct{}),
		done:        make(chan struct{}),
	}
	for range chunkAhead + 2 {
		rd.free <- nil // allocated when first needed: most streams are short
	}
	go func() {
		defer close(rd.done)
		defer closeDec()
		rd.run(ctx, c, src, dec, lim)
	}()
	return rd, nil
}

// decoder returns the decompressor of c and how to free it.
func decoder(c Compression, br *bufio.Reader, lim Limits) (io.Reader, func(), error) {
	nothing := func() {}
	libs, err := codec.Linked()
	if err != nil && c != None {
		return nil, nothing, err
	}
	switch c {
	case Gzip:
		if head, _ := br.Peek(memberHeader); memberSize(head) > 0 {
			m := newMembers(br, 2+2*runtime.GOMAXPROCS(0), gzipMembers{libs})
			return m, m.close, nil
		}
		zr := libs.Gunzip()
		return zr, nothing, zr.Reset(br)
	case Zstd:
		m := newMembers(br, 2+runtime.GOMAXPROCS(0), zstdFrames{libs, lim.Window})
		return m, m.close, nil
	case Bzip2:
		return libs.Unbzip2(br), nothing, nil
	case Xz:
		if err := checkDictionary(br, lim.Window); err != nil {
			return nil, nothing, err
		}
		xr, err := libs.Unxz(br)
		return xr, nothing, err
	default:
		return br, nothing, nil
	}
}

// run decompresses until the end, an error or Close.
func (r *Reader) run(ctx context.Context, c Compression, src *source, dec io.Reader, lim Limits) {
	defer close(r.full)
	var out int64
	for {
		var buf []byte
		select {
		case buf = <-r.free:
		case <-r.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, chunkSize)
		}
		n, err := fill(dec, buf[:chunkSize])
		out += int64(n)
		if err != nil && !errors.Is(err, io.EOF) {
			err = src.blame(c, err)
		}
		in, _ := src.state()
		if lerr := lim.check(in, out); lerr != nil {
			n, err = 0, lerr
		}
		if cerr := ctx.Err(); cerr != nil {
			err = cerr
		}
		select {
		case r.full <- chunk{buf[:n], err}:
		case <-r.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// fill is io.ReadFull, except that it keeps the reader's own error: an orderly
// EOF in the middle of a chunk is not a stream that was cut.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.buf != nil {
			r.free <- r.buf[:cap(r.buf)]
			r.buf = nil
		}
		c, ok := <-r.full
		if !ok {
			r.err = io.ErrClosedPipe
			continue
		}
		r.buf, r.rest, r.err = c.buf, c.buf, c.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close ends the reader and waits for its goroutine. The compressed stream
// stays open.
func (r *Reader) Close() error {
	select {
	case <-r.stop:
	default:
		close(r.stop)
	}
	<-r.done
	return nil
}

// source counts what is read and remembers why reading ended, so that a
// damaged stream can be told from a broken connection.
// It may be read by another goroutine than asks.
type source struct {
	r io.Reader

	mu  sync.Mutex
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += int64(n)
	if err != nil {
		s.err = err
	}
	return n, err
}

// state is how much was read, and why reading ended.
func (s *source) state() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.err
}

// blame gives a decompressor's error its kind.
func (s *source) blame(c Compression, err error) error {
	read, ended := s.state()
	switch {
	case ended != nil && !errors.Is(ended, io.EOF):
		return ended
	case errors.Is(err, errdefs.ErrExhausted), errors.Is(err, errdefs.ErrNotLinked):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errdefs.Errorf(errdefs.ErrCorrupt, "decompressing %s: the stream is cut off after %d bytes: %w", c, read,
			io.ErrUnexpectedEOF)
	default:
		return errdefs.Errorf(errdefs.ErrCorrupt, "decompressing %s: %w", c, err)
	}
}
