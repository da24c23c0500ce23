package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cove/builder/command"
	"cove/layers/snapshot/overlay"
)

// TestOnFailure: whoever asked has the files, the environment and the mounts of the
// command that failed, and none of that is left after.
func TestOnFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls int
	dockerfile := "FROM base\nENV A=1\nRUN write first x\n" +
		"RUN --mount=type=secret,id=s <<end\nwrite half y\nexit 3\nend\nRUN write never z\n"
	_, err := w.build(dockerfile, func(r *Request) {
		r.Secrets = map[string][]byte{"s": []byte("hidden-value")}
		r.OnFailure = func(ctx context.Context, f command.Failed) error {
			calls++
			if !strings.Contains(strings.Join(f.Request.Env, " "), "A=1") {
				t.Errorf("its environment is %q", f.Request.Env)
			}
			if _, ok := mountAt(f.Request, "/run/secrets/s"); !ok {
				t.Error("its secret is not mounted any more")
			}
			if f.Base == nil || f.Base.Name != "base" || f.Vertex.Location.Line != 4 {
				t.Errorf("base %v, line %d", f.Base, f.Vertex.Location.Line)
			}
			err := overlay.With(ctx, f.Request.Root, func(dir string) error {
				for name, want := range map[string]string{"first": "x", "half": "y"} {
					if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
						t.Errorf("%s holds %q, want %q: %v", name, got, want, err)
					}
				}
				return nil
			})
			return errors.Join(err, errors.New("and so on"))
		}
	})
	if calls != 1 {
		t.Errorf("called %d times", calls)
	}
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || !strings.Contains(err.Error(), "and so on") {
		t.Errorf("the build failed with %v", err)
	}
}

// TestOnFailureOfOne: of several that fail only the first is shown, and one that ends
// because another failed, or that succeeds, is none.
func TestOnFailureOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls atomic.Int64
	count := func(r *Request) {
		r.OnFailure = func(context.Context, command.Failed) error { calls.Add(1); return nil }
	}
	_, err := w.build("FROM base AS a\nRUN exit 3\nFROM base AS b\nRUN exit 4\nFROM base\nCOPY --from=a / /a\nCOPY --from=b / /b", count)
	if err == nil || calls.Load() != 1 {
		t.Errorf("called %d times, %v", calls.Load(), err)
	}
	calls.Store(0)
	w.must("FROM base\nRUN write x y", count)
	if _, err := w.build("FROM base\nCOPY nowhere /", count); err == nil || calls.Load() != 0 {
		t.Errorf("called %d times, %v", calls.Load(), err)
	}
}
