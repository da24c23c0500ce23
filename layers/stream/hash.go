// Package stream holds the stages that let one pass over a layer's bytes use
// several cores.
package stream

import (
	"crypto/sha256"

	"github.com/opencontainers/go-digest"
)

const (
	bufSize  = 256 << 10
	bufCount = 4
)

// Hash is a sha256 digest that is computed in a goroutine of its own: a Write
// only copies. It is not safe for concurrent use.
type Hash struct {
	buf  []byte
	n    int64
	full chan []byte
	free chan []byte
	sum  chan digest.Digest
}

// NewHash starts the goroutine; Sum ends it and must be called.
func NewHash() *Hash {
	h := &Hash{
		full: make(chan []byte, bufCount),
		free: make(chan []byte, bufCount),
		sum:  make(chan digest.Digest, 1),
	}
	for range bufCount {
		h.free <- nil // allocated when first needed: most layers are small
	}
	go h.run()
	return h
}

func (h *Hash) run() {
	d := sha256.New()
	for b := range h.full {
		d.Write(b)
		h.free <- b[:0]
	}
	h.sum <- digest.NewDigest(digest.SHA256, d)
}

// Write never fails.
func (h *Hash) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	for rest := p; len(rest) > 0; {
		if h.buf == nil {
			if h.buf = <-h.free; h.buf == nil {
				h.buf = make([]byte, 0, bufSize)
			}
		}
		k := min(len(rest), cap(h.buf)-len(h.buf))
		h.buf = append(h.buf, rest[:k]...)
		rest = rest[k:]
		if len(h.buf) == cap(h.buf) {
			h.full <- h.buf
			h.buf = nil
		}
	}
	return len(p), nil
}

// Size is how many bytes were written.
func (h *Hash) Size() int64 { return h.n }

// Sum ends the hash and returns the digest. Nothing may be written after.
func (h *Hash) Sum() digest.Digest {
	if h.buf != nil {
		h.full <- h.buf
		h.buf = nil
	}
	close(h.full)
	return <-h.sum
}
