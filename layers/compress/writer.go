package compress

import (
	"io"
	"runtime"

	"cove/errdefs"
)

const (
	// gzipBlock is what one worker compresses at a time. It is part of what
	// decides the bytes, so it never follows the machine.
	gzipBlock = 1 << 20

	// Level 2 takes less than half the time of 6, the usual default, for a tenth
	// more bytes.
	defaultGzipLevel = 2
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
