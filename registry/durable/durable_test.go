package durable

import (
	"os"
	"testing"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, content := range []string{"first", "second, and longer", ""} {
		if err := WriteFile(dir, "secret", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := dir.ReadFile("secret")
		fi, errStat := dir.Stat("secret")
		if err != nil || errStat != nil || string(got) != content || fi.Mode().Perm() != 0o600 {
			t.Errorf("%q, %v, %v; want %q", got, err, errStat, content)
		}
	}
	// Neither a folder that is not there nor one in the way leaves a piece.
	if err := dir.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nowhere/file", "../outside", "folder"} {
		if err := WriteFile(dir, name, []byte("x"), 0o600); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	f, err := dir.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil || len(names) != 2 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
