package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHash(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, bufSize - 1, bufSize, bufSize + 1, 5*bufSize + 3} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		h := NewHash()
		for in := bytes.NewBuffer(bytes.Clone(data)); in.Len() > 0; {
			p := in.Next(1 + r.IntN(bufSize*2))
			_, _ = h.Write(p)
			clear(p) // the caller's buffer is its own again
		}
		if h.Size() != int64(n) {
			t.Errorf("size %d, want %d", h.Size(), n)
		}
		if got, want := h.Sum(), digest.FromBytes(data); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}
