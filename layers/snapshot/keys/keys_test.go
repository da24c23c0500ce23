package keys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"cove/errdefs"
	"cove/layers/snapshot"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A kill between the two links of a commit leaves both; Clean finishes it.
func TestCleanFinishesCommit(t *testing.T) {
	s := open(t)
	e, err := s.Add("k", "", snapshot.Active, "fs")
	if err != nil {
		t.Fatal(err)
	}
	done := e
	done.Key, done.Kind = "sha256:1", snapshot.Committed
	if err := s.write(done); err != nil {
		t.Fatal(err)
	}
	if err := s.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("k"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the active record is still there: %v", err)
	}
	got, err := s.Get("sha256:1")
	if err != nil || got != done {
		t.Errorf("%+v, %v; want %+v", got, err, done)
	}
	if _, err := os.Stat(s.Dir(e.ID, "fs")); err != nil {
		t.Errorf("the files are gone: %v", err)
	}
}

// A kill between directory and record, or between record and files, leaves an
// orphan.
func TestCleanOrphans(t *testing.T) {
	s := open(t)
	id, err := s.newDir([]string{"fs"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Add("k", "", snapshot.Active)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the orphan is still there: %v", err)
	}
	if _, err := os.Stat(s.Dir(e.ID)); err != nil {
		t.Errorf("a snapshot is gone: %v", err)
	}
}

func TestDamagedRecord(t *testing.T) {
	s := open(t)
	for i, target := range []string{"x", "active/short/", "active/aaaaaaaa", "active/aaaaaaaa/%zz", "active/../../etc/"} {
		path := s.path("k")
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get("k"); !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%d %q: %v, want ErrCorrupt", i, target, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
