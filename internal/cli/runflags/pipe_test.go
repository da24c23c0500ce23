package runflags

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"cove/errdefs"
	"cove/layers/compress/codec"
)

// TestPipesAreReadOnce: what comes by a pipe is left to the program that can also pull the
// image; a file that is read again says the same.
func TestPipesAreReadOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.WriteString("A=1\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	pipe := "/proc/self/fd/" + strconv.Itoa(int(r.Fd()))
	if env, err := Environment([]string{pipe}, nil); !errors.Is(err, errdefs.ErrNotLinked) {
		t.Fatalf("without the libraries: %q, %v", env, err)
	}
	codec.Use(codec.Libraries{})
	if env, err := Environment([]string{pipe}, nil); err != nil || len(env) != 1 || env[0] != "A=1" {
		t.Errorf("with them: %q, %v", env, err)
	}
}
