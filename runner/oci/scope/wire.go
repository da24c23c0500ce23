package scope

import (
	"encoding/binary"

	"cove/errdefs"
)

// writer puts values as D-Bus has them on the wire, little-endian and aligned.
type writer struct{ b []byte }

func (w *writer) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *writer) uint32(n uint32) {
	w.align(4)
	w.b = binary.LittleEndian.AppendUint32(w.b, n)
}

func (w *writer) string(s string) {
	w.uint32(uint32(len(s)))
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) signature(s string) {
	w.b = append(append(append(w.b, byte(len(s))), s...), 0)
}

// array puts what fill puts; of its length the padding before the first element is no part.
func (w *writer) array(align int, fill func()) {
	w.uint32(0)
	at := len(w.b)
	w.align(align)
	first := len(w.b)
	fill()
	binary.LittleEndian.PutUint32(w.b[at-4:], uint32(len(w.b)-first))
}

// property puts a pair of a name and a variant, whose value put puts.
func (w *writer) property(name, signature string, put func()) {
	w.align(8)
	w.string(name)
	w.signature(signature)
	put()
}

// reader takes values off a message; what is beyond its end is an error.
type reader struct {
	b     []byte
	at    int
	order binary.ByteOrder
	err   error
}

func (r *reader) align(n int) { r.at = (r.at + n - 1) / n * n }

// take returns the next n bytes, or as many zeros after an error.
func (r *reader) take(n int) []byte {
	if r.err == nil && (n < 0 || r.at+n > len(r.b)) {
		r.err = errdefs.Errorf(errdefs.ErrCorrupt, "a message that ends in the middle of a value")
	}
	if r.err != nil {
		return make([]byte, max(0, min(n, 4)))
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) uint32() uint32 {
	r.align(4)
	return r.order.Uint32(r.take(4))
}

func (r *reader) string() string {
	s := string(r.take(int(r.uint32())))
	r.take(1)
	return s
}

func (r *reader) signature() string {
	s := string(r.take(int(r.byte())))
	r.take(1)
	return s
}
