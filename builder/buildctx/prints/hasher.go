package prints

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"cove/errdefs"
)

const (
	// part is how much of a file is read, and summed, at once.
	part = 256 << 10
	// least is the size from which a print costs less than the digest.
	least = 2 << 10
)

// Hasher finds the digests of files, one after the other. It is for one goroutine.
type Hasher struct {
	prints *Prints
	sum    cipher.AEAD // nil without prints
	tags   []byte      // of the parts of a file
	buf    []byte
}

// Hasher returns a new one, which remembers nothing if there are no prints.
func (p *Prints) Hasher() (*Hasher, error) {
	h := &Hasher{prints: p, buf: make([]byte, part)}
	if p == nil {
		return h, nil
	}
	p.load()
	block, err := aes.NewCipher(p.key[:])
	if err == nil {
		h.sum, err = cipher.NewGCM(block)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "prints of files: %w", err)
	}
	return h, nil
}

// Digest is that of the first size bytes of a file, or of all that it has if it became
// shorter. Where some file of that size is known it is looked for by its print, and read
// again if it is another and does not fit into memory.
func (h *Hasher) Digest(f io.ReadSeeker, size int64) (d Digest, err error) {
	if h.sum == nil || size < least {
		_, _, err = h.read(f, size, &d, false)
		return d, err
	}
	into := &d
	if h.prints.has(size) {
		into = nil
	}
	shown, n, err := h.read(f, size, into, true)
	if err == nil && into == nil {
		if d, known := h.prints.get(size, shown); known {
			return d, nil
		}
		if n <= int64(len(h.buf)) {
			d = sha256.Sum256(h.buf[:n])
		} else if _, err = f.Seek(0, io.SeekStart); err == nil {
			// What is remembered is of bytes that were read once: they may be others now.
			shown, n, err = h.read(f, size, &d, true)
		}
	}
	if err == nil && n == size {
		h.prints.put(size, shown, d)
	}
	return d, err
}

// SHA256 is the digest of the first size bytes of a file, or of all that it has.
func SHA256(f io.Reader, size int64) (d Digest, err error) {
	h := Hasher{buf: make([]byte, part)}
	_, _, err = h.read(f, size, &d, false)
	return d, err
}

// nonce is one for all: the tags are shown to nobody, and nothing is encrypted.
var nonce [12]byte

// read reads up to size bytes of a file, for their print, or their digest, or both.
func (h *Hasher) read(f io.Reader, size int64, digest *Digest, printed bool) (shown Print, n int64, err error) {
	var all hash.Hash
	if digest != nil {
		all = sha256.New()
	}
	h.tags = h.tags[:0]
	for short := false; n < size && !short; {
		got, err := io.ReadFull(f, h.buf[:min(int64(len(h.buf)), size-n)])
		short = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !short {
			return shown, n, err
		}
		if digest != nil {
			all.Write(h.buf[:got])
		}
		if printed {
			h.tags = h.sum.Seal(h.tags, nonce[:], nil, h.buf[:got])
		}
		n += int64(got)
	}
	if digest != nil {
		all.Sum(digest[:0])
	}
	if printed {
		sum := sha256.Sum256(h.tags)
		copy(shown[:], sum[:])
	}
	return shown, n, nil
}
