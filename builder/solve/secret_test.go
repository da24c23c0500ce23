package solve

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
)

// TestScanner: a secret is found however the stream is cut.
func TestScanner(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, text := range []string{"...topsecret...", "topsecret", "toptopsecret", "topsecre topsecre", "TOPSECRET", strings.Repeat("t", 1000) + "opsecret"} {
		for range 50 {
			sc := newScanner([][]byte{[]byte("other-one"), []byte("topsecret")})
			for rest := text; rest != ""; {
				n := 1 + rng.IntN(len(rest))
				if _, err := sc.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if got, want := errors.Is(sc.found("RUN x"), errdefs.ErrDenied), strings.Contains(text, "topsecret"); got != want {
				t.Fatalf("%q: found %v", text, got)
			}
		}
	}
	none := newScanner(nil)
	if _, err := none.Write([]byte("anything")); err != nil || none.found("COPY x") != nil || len(none.buf) > 0 {
		t.Error("a scanner without secrets does something")
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	var tl tail
	if tl.lines() != nil {
		t.Error("nothing was written")
	}
	for i := range 10_000 {
		tl.add([]byte("line " + strings.Repeat("x", i%50) + "\n"))
	}
	tl.add([]byte("last"))
	ls := tl.lines()
	if len(ls) != tailLines || ls[len(ls)-1] != "last" || len(tl.buf) > 3*tailBytes {
		t.Errorf("%d lines, %d bytes, last %q", len(ls), len(tl.buf), slices.Max(ls))
	}
}
