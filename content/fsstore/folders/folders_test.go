package folders

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestFolders opens one once, moves a file over another, and finds a folder again that
// was removed and made anew.
func TestFolders(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "of", "a", "store")
	if err := errors.Join(Make(dir), Make(dir)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := Below(root)
	if _, err := f.Open("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
	for _, name := range []string{"a", "b", "b/c"} {
		if err := root.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	open := func(name string) *Folder {
		t.Helper()
		in, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	a, c := open("a"), open("b/c")
	if open("a") != a {
		t.Error("it was opened twice")
	}
	for _, text := range []string{"old", "new"} {
		if err := a.WriteFile("x", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Move("x", c, "y"), c.Sync()); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "b", "c", "y")); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
	var link *os.LinkError
	if err := a.Move("x", c, "y"); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &link) {
		t.Errorf("what is not there: %v", err)
	}
	if err := errors.Join(root.RemoveAll("b"), root.MkdirAll("b/c", 0o700), a.WriteFile("x", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := a.Move("x", open("b/c"), "y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a folder that is gone: %v", err)
	}
	f.Forget("b/c", c)
	if err := a.Move("x", open("b/c"), "y"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}
