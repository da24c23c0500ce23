package compress

import (
	"context"
	"io"

	"cove/errdefs"
)

// Limits stop a stream that unpacks to more than it should. A field that is
// zero takes its default, a negative one is no limit.
type Limits struct {
	// Bytes is how many bytes may come out: 512 GiB.
	Bytes int64
	// Ratio is how many times as many bytes may come out as went in, once
	// RatioAfter bytes are out: 1,000 after 1 GiB.
	Ratio      int64
	RatioAfter int64
	// Window is the largest zstd window: 128 MiB, as zstd's own.
	Window uint64
}

// Reader is a decompressed stream. Close ends its goroutine; the compressed
// stream stays open, and belongs to the caller again.
type Reader struct {
	// Compression is what was found.
	Compression Compression
}

// NewReader returns the decompressed form of r, whatever its compression. The
// work is done in a goroutine of its own, a bounded distance ahead of Read,
// so that decompression and what the caller does with the bytes overlap. A
// stream that breaks a limit is errdefs.ErrExhausted, a damaged one
// errdefs.ErrCorrupt.
func NewReader(ctx context.Context, r io.Reader, lim Limits) (*Reader, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "compress: reader not wired yet")
}

func (r *Reader) Read(p []byte) (int, error) { return 0, io.EOF }

// Close ends the reader.
func (r *Reader) Close() error { return nil }
