// Package codec names the libraries that pack and unpack layers, so that a program which
// does neither need not link them: their tables are made before main, at every start.
//
// A program that packs or unpacks imports cove/layers/compress/codec/linked for its
// side effect, as database/sql is given its drivers.
package codec

import (
	"io"

	"cove/errdefs"
)

// Gunzip reads gzip, and can be used again.
type Gunzip interface {
	io.Reader
	Reset(r io.Reader) error
	Multistream(on bool)
}

// Deflate writes what is inside of gzip, and can be used again.
type Deflate interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// Libraries are the formats' implementations.
type Libraries struct {
	// Gunzip makes a reader that needs a Reset before it reads.
	Gunzip func() Gunzip
	// Gzip and Deflate write at a level, 1 to 9; Deflate needs a Reset before it writes.
	Gzip    func(w io.Writer, level int) (io.WriteCloser, error)
	Deflate func(level int) (Deflate, error)
	// Unzstd reads a window of at most so many bytes, 0 or less for any. What is
	// larger is errdefs.ErrExhausted.
	Unzstd func(r io.Reader, window int64) (io.ReadCloser, error)
	// UnzstdFrame appends what a frame unpacks to, which is no more than it says.
	UnzstdFrame func(frame, to []byte) ([]byte, error)
	// ZstdFrame appends a frame at a level, 1 to 4, that says what it unpacks to.
	ZstdFrame func(block, to []byte, level int) ([]byte, error)
	Unxz      func(r io.Reader) (io.Reader, error)
	Unbzip2   func(r io.Reader) io.Reader
	// CRC32 is the sum that a gzip member has of what is in it (RFC 1952).
	CRC32 func(b []byte) uint32
}

var linked *Libraries

// Use gives the program its libraries. It is called by the initialisation of a
// package, and nowhere else.
func Use(l Libraries) { linked = &l }

// Linked returns the program's libraries, or errdefs.ErrNotLinked.
func Linked() (*Libraries, error) {
	if linked == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotLinked, "this program links nothing that packs or unpacks layers")
	}
	return linked, nil
}
