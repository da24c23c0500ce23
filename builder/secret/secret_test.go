package secret

import (
	"errors"
	"math/rand/v2"
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
			sc := Of(map[string][]byte{"a": []byte("other-one"), "b": []byte("topsecret\n")}).Scanner()
			for rest := text; rest != ""; {
				n := 1 + rng.IntN(len(rest))
				if _, err := sc.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if got, want := errors.Is(sc.Found("RUN x"), errdefs.ErrDenied), strings.Contains(text, "topsecret"); got != want {
				t.Fatalf("%q: found %v", text, got)
			}
		}
	}
	none := Of(nil).Scanner()
	if _, err := none.Write([]byte("anything")); err != nil || none.Found("COPY x") != nil || len(none.buf) > 0 {
		t.Error("a scanner without secrets does something")
	}
}
