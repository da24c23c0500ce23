// Package linked links the libraries that pack and unpack layers: importing it is all
// that there is to do.
package linked

import (
	"compress/bzip2"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"sync"

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

		UnzstdFrame: unpackFrame,
		ZstdFrame:   packFrame,

		Unxz:    func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) },
		Unbzip2: bzip2.NewReader,
		CRC32:   crc32.ChecksumIEEE,
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

// frameWindow is how far back a frame refers at most. It is as long as the blocks that
// layers are packed in, so that each is one window.
const frameWindow = 2 << 20

// Encoders by level, and decoders, are used again: their tables are large.
var (
	encoders [zstd.SpeedBestCompression + 1]sync.Pool
	decoders sync.Pool
)

func packFrame(block, to []byte, level int) ([]byte, error) {
	enc, ok := encoders[level].Get().(*zstd.Encoder)
	if !ok {
		var err error
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(frameWindow))
		if err != nil {
			return nil, err
		}
	}
	defer encoders[level].Put(enc)
	return enc.EncodeAll(block, slices.Grow(to, len(block)/2)), nil
}

func unpackFrame(frame, to []byte) ([]byte, error) {
	dec, ok := decoders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err != nil {
			return nil, err
		}
	}
	defer decoders.Put(dec)
	out, err := dec.DecodeAll(frame, to)
	return out, limited(err)
}
