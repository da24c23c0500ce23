package kept

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/errdefs"
	"cove/internal/filelock"
)

func store(t *testing.T) *Store {
	t.Helper()
	return Open(filepath.Join(t.TempDir(), "contexts"), time.Now)
}

func take(t *testing.T, s *Store, key string) *Dir {
	t.Helper()
	d, err := s.Take(key, "local source for context")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fill makes one file, and keeps the directory.
func (d *Dir) fill(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.Files, "file"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(int64(len(text))); err != nil {
		t.Fatal(err)
	}
}

func (d *Dir) has(t *testing.T, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(d.Files, "file"))
	if want == "" && errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil || string(got) != want {
		t.Errorf("%s: %q %v, want %q", d.Files, got, err, want)
	}
}

func closed(t *testing.T, d *Dir) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTake: what was kept under a key is found by it, at the same place, and by no other.
func TestTake(t *testing.T) {
	t.Parallel()
	s := store(t)
	first := take(t, s, "a")
	first.fill(t, "1")
	beside := take(t, s, "a") // while the first is in use
	beside.has(t, "")
	beside.fill(t, "2")
	closed(t, first)
	closed(t, beside)
	for range 2 {
		again := take(t, s, "a")
		again.has(t, "1")
		if again.Files != first.Files {
			t.Errorf("it is at %s, and was at %s", again.Files, first.Files)
		}
		again.fill(t, "1")
		closed(t, again)
	}
	other := take(t, s, "b")
	other.has(t, "")
	closed(t, other)
	if _, err := os.Stat(other.Files); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was not kept stays: %v", err)
	}
	all, err := s.All()
	if err != nil || len(all) != 2 || all[0].Uses+all[1].Uses != 4 {
		t.Errorf("%+v %v", all, err)
	}
}

// TestUnsure: files without a mark, or with one of another boot, are not those of a client.
func TestUnsure(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(place string) error{
		"killed while it received": func(place string) error { return os.Remove(filepath.Join(place, markName)) },
		"power was cut": func(place string) error {
			return os.WriteFile(filepath.Join(place, markName), []byte(`{"boot":"another"}`), 0o600)
		},
		"half a mark":    func(place string) error { return os.WriteFile(filepath.Join(place, markName), []byte(`{"boo`), 0o600) },
		"no mark's text": func(place string) error { return os.WriteFile(filepath.Join(place, markName), nil, 0o600) },
	} {
		s := store(t)
		d := take(t, s, "a")
		d.fill(t, "half")
		if err := errors.Join(filelock.Release(d.lock), spoil(d.place)); err != nil {
			t.Fatal(err)
		}
		again := take(t, s, "a")
		if _, err := os.Stat(filepath.Join(again.Files, "file")); err == nil {
			t.Errorf("%s: the file is there", what)
		}
		again.fill(t, "whole")
		closed(t, again)
		last := take(t, s, "a")
		last.has(t, "whole")
		closed(t, last)
	}
}

// TestPrune: what a build has stays, and what a killed one left goes.
func TestPrune(t *testing.T) {
	t.Parallel()
	s := store(t)
	kept, used, left := take(t, s, "kept"), take(t, s, "used"), take(t, s, "left")
	kept.fill(t, "12")
	used.fill(t, "345")
	closed(t, kept)
	if err := filelock.Release(left.lock); err != nil { // as by a kill
		t.Fatal(err)
	}
	all, err := s.All()
	if err != nil || len(all) != 2 || all[0].InUse == all[1].InUse {
		t.Errorf("%+v %v", all, err)
	}
	bytes, err := s.Prune(func(Entry) bool { return true })
	if err != nil || bytes != 2 {
		t.Errorf("%d bytes went: %v", bytes, err)
	}
	used.has(t, "345")
	closed(t, used)
	if bytes, err := s.Prune(func(e Entry) bool { return e.Bytes == 4 }); err != nil || bytes != 0 {
		t.Errorf("%d bytes went: %v", bytes, err)
	}
	places, err := os.ReadDir(s.dir)
	if err != nil || len(places) != 1 {
		t.Errorf("left are %v: %v", places, err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), time.Now).Prune(func(Entry) bool { return true }); err != nil {
		t.Error(err)
	}
}

// TestMost: builds beyond a number begin with nothing.
func TestMost(t *testing.T) {
	t.Parallel()
	s := store(t)
	for range most {
		defer closed(t, take(t, s, "a"))
	}
	if _, err := s.Take("a", "x"); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "this client") {
		t.Error(err)
	}
}

// TestAtOnce: nobody gets what another has, while everything is pruned again and again.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := store(t)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			mine := strings.Repeat("x", i)
			for range 50 {
				d := take(t, s, "a")
				d.fill(t, mine)
				d.has(t, mine)
				closed(t, d)
			}
		})
	}
	all.Go(func() {
		for range 100 {
			if _, err := s.Prune(func(Entry) bool { return true }); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}
