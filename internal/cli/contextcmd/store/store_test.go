package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"cove/errdefs"
)

// TestNames are docker's, and never a path.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"box", "b0", "a.b-c_d+e", "BOX"} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "b", "default", "../x", "a/b", ".box", "-box", "a b", "ä-box", "box\n"} {
		if err := CheckName(name); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestNoHome has the one context that is always there, and makes none.
func TestNoHome(t *testing.T) {
	t.Parallel()
	s := Default(func(string) string { return "" })
	if all, err := s.List(); err != nil || len(all) != 1 || all[0].Name != Local || all[0].Host() != "" {
		t.Errorf("%+v, %v", all, err)
	}
	if name, err := s.Current(); err != nil || name != Local {
		t.Errorf("%s, %v", name, err)
	}
	if err := s.Put(New("box", "", "ssh://box")); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
	if err := s.Use(Local); err != nil {
		t.Error(err)
	}
	if _, err := s.Get("box"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
}

// TestFolders are where cove's configuration is.
func TestFolders(t *testing.T) {
	t.Parallel()
	for env, want := range map[[2]string]string{
		{"HOME", "/h"}:            "/h/.config/cove",
		{"XDG_CONFIG_HOME", "/x"}: "/x/cove",
		{"XDG_CONFIG_HOME", "x"}:  "",
	} {
		got := Default(func(name string) string {
			if name == env[0] {
				return env[1]
			}
			return ""
		})
		if got.dir != want {
			t.Errorf("%v: %q, want %q", env, got.dir, want)
		}
	}
}

// TestStore keeps what it is given, for its owner alone, and leaves out what is none.
func TestStore(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir())
	if err := errors.Join(s.Put(New("two", "", "ssh://two")), s.Put(New("box", "a box", "ssh://box")), s.Use("box")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.path("box"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, stray := range []string{"notes.txt", ".json", "..x.json"} {
		if err := os.WriteFile(filepath.Join(s.dir, "contexts", stray), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.List()
	if err != nil || len(all) != 3 || all[0].Name != "box" || all[0].Metadata.Description != "a box" || all[2].Host() != "ssh://two" {
		t.Errorf("%+v, %v", all, err)
	}
	if name, err := s.Current(); err != nil || name != "box" {
		t.Errorf("%s, %v", name, err)
	}
	if err := errors.Join(s.Use(Local), s.Use(Local), s.Remove("box")); err != nil {
		t.Error(err)
	}
	if err := s.Remove("box"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
	if err := s.Remove(Local); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
	if err := os.WriteFile(s.path("two"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("two"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a broken file: %v", err)
	}
}
