package volume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"cove/errdefs"
	"cove/internal/process"
)

func TestCreateListRemove(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	if all, err := s.All(); err != nil || len(all) != 0 {
		t.Fatalf("All of a new root = %v, %v", all, err)
	}
	fill := func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "seed"), []byte("x"), 0o600)
	}
	v, err := s.Create(t.Context(), Wanted{Name: "data", Labels: map[string]string{"a": "b"}}, fill)
	if err != nil || v.Anonymous || v.Labels["a"] != "b" {
		t.Fatalf("Create = %+v, %v", v, err)
	}
	if err := os.WriteFile(filepath.Join(s.Path("data"), "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := s.Create(t.Context(), Wanted{Name: "data"}, fill)
	if err != nil || !again.Created.Equal(v.Created) {
		t.Fatalf("Create of an existing volume = %+v, %v; want the old one", again, err)
	}
	for _, name := range []string{"seed", "kept"} {
		if _, err := os.Stat(filepath.Join(s.Path("data"), name)); err != nil {
			t.Error(err)
		}
	}
	anonymous, err := s.Create(t.Context(), Wanted{Name: ""}, nil)
	if err != nil || !anonymous.Anonymous || len(anonymous.Name) != 64 {
		t.Fatalf("Create of an anonymous volume = %+v, %v", anonymous, err)
	}
	if err := s.RemoveAnonymous([]string{"data", anonymous.Name, "never-was"}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.All(); err != nil || len(all) != 1 || all[0].Name != "data" {
		t.Fatalf("All = %v, %v; want data alone", all, err)
	}
	if err := s.Remove("data"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("data"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a second Remove: %v, want not found", err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAFailedFillLeavesNothing(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	boom := errors.New("boom")
	if _, err := s.Create(t.Context(), Wanted{Name: "data"}, func(context.Context, string) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("Create: %v, want the error of fill", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestFillOfAnEmptyVolume makes volumes before anything has files for them.
func TestFillOfAnEmptyVolume(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	if _, err := s.Create(t.Context(), Wanted{Name: "data"}, nil); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if _, err := s.Create(t.Context(), Wanted{Name: "data"}, func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), boom)
	}); !errors.Is(err, boom) {
		t.Fatalf("a fill that fails: %v", err)
	}
	var fills atomic.Int32
	fill := func(_ context.Context, dir string) error {
		fills.Add(1)
		return errors.Join(os.Chmod(dir, 0o750|fs.ModeSticky), os.Mkdir(filepath.Join(dir, "sub"), 0o700),
			os.WriteFile(filepath.Join(dir, "sub", "seed"), nil, 0o600))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Create(t.Context(), Wanted{Name: "data"}, fill); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	told, err := os.Stat(s.Path("data"))
	if err != nil || told.Mode() != fs.ModeDir|fs.ModeSticky|0o750 || fills.Load() != 1 {
		t.Errorf("the directory is %v, %v after %d fills, want one", told.Mode(), err, fills.Load())
	}
	found, _ := filepath.Glob(filepath.Join(s.dir, "data", "*", "*"))
	hidden, _ := filepath.Glob(filepath.Join(s.dir, "data", ".*"))
	if len(found) != 1 || filepath.Base(found[0]) != "sub" || len(hidden) != 0 {
		t.Errorf("the volume has %v and %v, want sub alone", found, hidden)
	}
}

func TestNamesNeverLeaveTheRoot(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	for _, name := range []string{"..", ".", "a/b", "/etc", "../x", "x", ".hidden", "a\x00b", "-v"} {
		if _, err := s.Create(t.Context(), Wanted{Name: name}, nil); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("Create(%q): %v, want invalid", name, err)
		}
		if err := s.Remove(name); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("Remove(%q): %v, want invalid", name, err)
		}
	}
}

func TestManyCreateTheSame(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var wg sync.WaitGroup
	created := make([]Volume, 8)
	for i := range created {
		wg.Go(func() {
			v, err := Open(root).Create(t.Context(), Wanted{Name: "shared"}, nil)
			if err != nil {
				t.Error(err)
			}
			created[i] = v
		})
	}
	wg.Wait()
	for _, v := range created {
		if !v.Created.Equal(created[0].Created) {
			t.Errorf("two volumes of one name: %v and %v", created[0].Created, v.Created)
		}
	}
}

// TestClean removes what killed processes were making and removing, and nothing
// of those that still do.
func TestClean(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	if removed, err := s.Clean(); err != nil || removed != nil {
		t.Errorf("of a new root: %v, %v", removed, err)
	}
	if _, err := s.Create(t.Context(), Wanted{Name: "kept"}, nil); err != nil {
		t.Fatal(err)
	}
	dead, living := []string{}, []string{"kept"}
	for _, prefix := range []string{makingPrefix, removingPrefix} {
		dead = append(dead, prefix+"1.0-123", prefix+"123")
		living = append(living, prefix+process.Tag()+"-123")
	}
	for _, name := range append(dead, living[1:]...) {
		if err := os.MkdirAll(filepath.Join(s.dir, name, "_data"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if removed, err := s.Clean(); err != nil || len(removed) != len(dead) {
		t.Errorf("removed %v, %v", removed, err)
	}
	for _, name := range dead {
		if _, err := os.Lstat(filepath.Join(s.dir, name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	for _, name := range living {
		if _, err := os.Lstat(filepath.Join(s.dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	tmpfs := map[string]string{OptionType: "tmpfs", OptionDevice: "tmpfs", OptionMount: "size=1m"}
	made, err := s.Create(t.Context(), Wanted{Name: "scratch", Options: tmpfs}, nil)
	if err != nil || made.Options[OptionMount] != "size=1m" {
		t.Errorf("%+v, %v", made, err)
	}
	for _, bad := range []map[string]string{
		{OptionType: "tmpfs"},
		{OptionDevice: "/srv"},
		{OptionType: "none", OptionDevice: "/srv"},
		{OptionType: "tmpfs", OptionDevice: "tmpfs", "colour": "red"},
	} {
		if _, err := s.Create(t.Context(), Wanted{Name: "bad", Options: bad}, nil); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
