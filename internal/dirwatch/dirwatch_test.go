package dirwatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func await(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changed:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "a")
	for _, change := range []func() error{
		func() error { return os.WriteFile(name, []byte("1"), 0o600) },
		func() error { return os.WriteFile(name, []byte("2"), 0o600) },
		func() error { return os.Rename(name, filepath.Join(dir, "b")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		await(t, w)
	}
	w.Close()
	if _, err := Open(filepath.Join(dir, "nosuch")); err == nil {
		t.Error("a directory that is not there is watched")
	}
}

// TestWithoutWatchers is what a user has whose watchers are all taken.
func TestWithoutWatchers(t *testing.T) {
	t.Parallel()
	changed := make(chan struct{}, 1)
	w := &Watcher{Changed: changed, stop: make(chan struct{}), done: make(chan struct{})}
	if !w.tick() {
		t.Error("it ended by itself")
	}
	close(w.stop)
	if w.tick() {
		t.Error("it does not end")
	}
}
