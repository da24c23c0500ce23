package builds

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/builder/plan"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	args := []string{"/bin/sh", "-c", "make"}
	if got := Command(&Vertex{Op: &plan.Run{Args: args}}); !slices.Equal(got, args) {
		t.Errorf("of a RUN: %q", got)
	}
	for _, v := range []*Vertex{{Op: &plan.Copy{}}, {Op: &plan.Workdir{}}, {}} {
		if got := Command(v); got != nil {
			t.Errorf("of %T: %q", v.Op, got)
		}
	}
}

// rooted is an engine of which builds have a directory alone.
type rooted struct {
	Engine
	dir string
}

func (r rooted) BuildDir() string { return r.dir }

// TestTempDir: nobody else sees what a client sent, and its name says whose it is.
func TestTempDir(t *testing.T) {
	t.Parallel()
	e := rooted{dir: filepath.Join(t.TempDir(), "build")}
	one, err := TempDir(e)
	if err != nil {
		t.Fatal(err)
	}
	two, err := TempDir(e)
	if err != nil || one == two {
		t.Errorf("%s twice: %v", two, err)
	}
	info, err := os.Stat(one)
	if err != nil || info.Mode().Perm() != 0o700 || !strings.HasPrefix(info.Name(), "context-") {
		t.Errorf("%v %v", info, err)
	}
}
