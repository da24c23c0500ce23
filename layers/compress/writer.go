package compress

import (
	"io"

	"cove/errdefs"
)

// Options choose a compressor. The zero value is gzip at the default level on
// every core.
type Options struct {
	Compression Compression
	// Level is the compressor's own; 0 is the default.
	Level int
	// Workers, if set, is shared by all writers of a process and bounds how
	// many blocks they compress at once together.
	Workers *Workers
}

// Workers is a bound on concurrent compression.
type Workers struct{ slots chan struct{} }

// NewWorkers returns a bound of n blocks; 0 means one for each processor.
func NewWorkers(n int) *Workers { return &Workers{slots: make(chan struct{}, max(n, 1))} }

// Writer compresses. The bytes that come out depend on those that go in, the
// format and the level, and on nothing of the machine.
type Writer struct{ io.WriteCloser }

// NewWriter returns a compressor to w. Close ends the stream; w stays open.
func NewWriter(w io.Writer, opt Options) (*Writer, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "compress: writer not wired yet")
}

// Compressor names what made the bytes, exactly enough that the same name and
// input make the same digest: "gzip;klauspost/pgzip;level=…;block=…".
func (w *Writer) Compressor() string { return "" }
