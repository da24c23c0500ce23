// Package linked links the libraries that pack and unpack layers: importing it is all
// that there is to do.
package linked

import (
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"cove/errdefs"
	"cove/layers/compress/codec"
)

func init() { //nolint:gochecknoinits // it is what the package is for
	codec.Use(codec.Libraries{
		Gunzip:  func() codec.Gunzip { return new(gzip.Reader) },
		Gzip:    func(w io.Writer, level int) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, level) },
		Deflate: func(level int) (codec.Deflate, error) { return flate.NewWriter(nil, level) },
		Unzstd:  unzstd,
		Zstd:    packZstd,
		Unxz:    func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) },
	})
}

// zstdReader gives the errors of limits their kind.
type zstdReader struct{ *zstd.Decoder }

func unzstd(r io.Reader, window int64) (io.ReadCloser, error) {
	opts := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)}
	if window > 0 {
		opts = append(opts, zstd.WithDecoderMaxWindow(uint64(window)))
	}
	zr, err := zstd.NewReader(r, opts...)
	if err != nil {
		return nil, limited(err)
	}
	return zstdReader{zr}, nil
}

func (z zstdReader) Read(p []byte) (int, error) {
	n, err := z.Decoder.Read(p)
	return n, limited(err)
}

func (z zstdReader) Close() error {
	z.Decoder.Close()
	return nil
}

func limited(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return errdefs.Errorf(errdefs.ErrExhausted, "decompressing zstd: %w", err)
	}
	return err
}

// packZstd writes with concurrency 2, which overlaps matching and entropy coding; the
// blocks are the same whatever it is.
func packZstd(w io.Writer, level int) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithEncoderConcurrency(2))
}
