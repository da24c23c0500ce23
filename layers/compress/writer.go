package compress

import (
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"cove/errdefs"
)

const (
	// gzipBlock is what one worker compresses at a time. It is part of what
	// decides the bytes, so it never follows the machine.
	gzipBlock = 1 << 20

	// Level 2 takes less than half the time of 6, the usual default, for a tenth
	// more bytes.
	defaultGzipLevel = 2
	defaultZstdLevel = int(zstd.SpeedDefault)
)

// Options choose a compressor. The zero value is gzip at the default level on
// every core.
type Options struct {
	// Compression is Gzip when empty.
	Compression Compression
	// Level is 1 to 9 for gzip and 1 to 4 (fastest to best) for zstd; 0 is the
	// default.
	Level int
	// Workers, if set, is shared by all writers of a process and bounds how
	// many blocks they compress at once together.
	Workers *Workers
}

// Workers bounds concurrent compression. A writer takes what is free when it
// starts and works alone when nothing is, so sharing can never deadlock.
type Workers struct{ slots chan struct{} }

// NewWorkers returns a bound of n blocks; 0 means one for each processor.
func NewWorkers(n int) *Workers {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return &Workers{slots: make(chan struct{}, n)}
}

// take claims at most n slots, and returns how many there were.
func (w *Workers) take(n int) int {
	if w == nil {
		return n
	}
	for i := range n {
		select {
		case w.slots <- struct{}{}:
		default:
			return i
		}
	}
	return n
}

func (w *Workers) give(n int) {
	if w == nil {
		return
	}
	for range n {
		<-w.slots
	}
}

// Writer compresses. The bytes that come out depend on those that go in, the
// format and the level, and on nothing of the machine or of how the input was
// cut into Writes.
type Writer struct {
	io.WriteCloser
	name string
}

// NewWriter returns a compressor to w. Close ends the stream; w stays open.
// Close must be called after an error too. A format that cannot be written is
// errdefs.ErrUnsupported.
func NewWriter(w io.Writer, opt Options) (*Writer, error) {
	switch opt.Compression {
	case None:
		return &Writer{nopCloser{w}, "none"}, nil
	case Gzip, "":
		return newGzip(w, opt)
	case Zstd:
		return newZstd(w, opt)
	}
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "compressing: format %q is not one of gzip, zstd, none",
		opt.Compression)
}

// Compressor names what made the bytes, so exactly that the same name and
// input make the same digest.
func (w *Writer) Compressor() string { return w.name }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func newZstd(w io.Writer, opt Options) (*Writer, error) {
	level := opt.Level
	if level == 0 {
		level = defaultZstdLevel
	}
	if level < int(zstd.SpeedFastest) || level > int(zstd.SpeedBestCompression) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "compressing: zstd level %d is not between 1 and 4", level)
	}
	// Concurrency 2 overlaps matching and entropy coding; the blocks are the
	// same whatever it is.
	zw, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return &Writer{zw, fmt.Sprintf("zstd;klauspost/compress;level=%d", level)}, nil
}

func newGzip(w io.Writer, opt Options) (*Writer, error) {
	level := opt.Level
	if level == 0 {
		level = defaultGzipLevel
	}
	if level < gzip.BestSpeed || level > gzip.BestCompression {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "compressing: gzip level %d is not between 1 and 9", level)
	}
	g := &gzipWriter{w: w, level: level, workers: opt.Workers}
	return &Writer{g, fmt.Sprintf("gzip;klauspost/pgzip;level=%d;block=%d", level, gzipBlock)}, nil
}

// gzipWriter compresses an input of at most one block by itself, as most
// layers are small, and a longer one in parallel.
type gzipWriter struct {
	w       io.Writer
	level   int
	workers *Workers
	taken   int
	head    []byte
	big     *pgzip.Writer
}

func (g *gzipWriter) Write(p []byte) (int, error) {
	if g.big != nil {
		return g.big.Write(p)
	}
	if len(g.head)+len(p) <= gzipBlock {
		g.head = append(g.head, p...)
		return len(p), nil
	}
	if err := g.grow(); err != nil {
		return 0, err
	}
	return g.big.Write(p)
}

// grow goes over to the parallel writer.
func (g *gzipWriter) grow() error {
	zw, err := pgzip.NewWriterLevel(g.w, g.level)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	g.taken = g.workers.take(runtime.GOMAXPROCS(0))
	if err := zw.SetConcurrency(gzipBlock, max(g.taken, 1)); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	g.big = zw
	_, err = zw.Write(g.head)
	g.head = nil
	return err
}

func (g *gzipWriter) Close() error {
	if g.big != nil {
		defer func() { g.workers.give(g.taken); g.taken = 0 }()
		err := g.big.Close()
		if err != nil {
			// After a failed write, pgzip's Close leaves its goroutine behind.
			g.big.Reset(io.Discard)
		}
		return err
	}
	zw, err := gzip.NewWriterLevel(g.w, g.level)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if _, err := zw.Write(g.head); err != nil {
		return err
	}
	return zw.Close()
}
