package overlay_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/overlay"
	"cove/layers/snapshot/snapshottest"
)

func open(root string) (snapshot.Store, error) { return overlay.New(root) }

func TestMain(m *testing.M) { snapshottest.Main(m, open) }

func needOverlay(t *testing.T) {
	t.Helper()
	if err := overlay.Supported(t.TempDir()); err != nil {
		t.Skipf("needs root: %v", err)
	}
}

func TestStore(t *testing.T) {
	needOverlay(t)
	snapshottest.Run(t, open)
}

// Filled without a parent, a snapshot ends where it would have with one.
func TestCommitOnto(t *testing.T) {
	needOverlay(t)
	ctx := t.Context()
	s, err := overlay.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c"} {
		m, err := s.Prepare(ctx, "k/"+key, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(m.Source, key), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CommitOnto(ctx, "2", "k/b", "1"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("onto nothing: %v", err)
	}
	if err := s.CommitOnto(ctx, "1", "k/a", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitOnto(ctx, "2", "k/b", "1"); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitOnto(ctx, "2", "k/c", "1"); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	info, err := s.Stat(ctx, "2")
	if err != nil || info != (snapshot.Info{Key: "2", Parent: "1", Kind: snapshot.Committed}) {
		t.Errorf("%+v, %v", info, err)
	}
	m, err := s.Mounts(ctx, "2")
	if err != nil || len(m.Lower) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := s.Prepare(ctx, "k/d", "2"); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitOnto(ctx, "3", "k/d", "1"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("one with a parent: %v", err)
	}
}

// An image may have 128 layers, and both ways of mounting must bear it.
func TestManyLayers(t *testing.T) {
	needOverlay(t)
	ctx := t.Context()
	s, err := overlay.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	parent := ""
	for i := range 128 {
		key := fmt.Sprintf("k%d", i)
		m, err := s.Prepare(ctx, key, parent)
		if err != nil {
			t.Fatal(err)
		}
		dir := m.Upper
		if dir == "" {
			dir = m.Source
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%03d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		parent = fmt.Sprintf("c%d", i)
		if err := s.Commit(ctx, parent, key); err != nil {
			t.Fatal(err)
		}
	}
	m, err := s.Prepare(ctx, "top", parent)
	if err != nil {
		t.Fatal(err)
	}
	count := func(dir string) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		f, err := root.Open(".")
		if err != nil {
			return err
		}
		defer f.Close()
		names, err := f.Readdirnames(-1)
		if err != nil || len(names) != 128 {
			t.Errorf("%d files, %v; want 128", len(names), err)
		}
		return nil
	}
	if err := overlay.With(ctx, m, count); err != nil {
		t.Error(err)
	}
	fd, err := overlay.DetachedClassic(m)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := count(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
		t.Errorf("classic, detached: %v", err)
	}
	for name, mnt := range map[string]func(mount.Mount, string) error{"fsopen": overlay.Mount, "classic": overlay.Classic} {
		dir := t.TempDir()
		if err := mnt(m, dir); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := count(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := overlay.Unmount(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A mount by With is in nobody's mount table.
func TestWithLeavesNothing(t *testing.T) {
	needOverlay(t)
	s, err := overlay.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base, err := s.Prepare(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base.Source, "f"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), "1", "k"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Prepare(t.Context(), "k2", "1")
	if err != nil {
		t.Fatal(err)
	}
	err = overlay.With(t.Context(), m, func(dir string) error {
		if table, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(table), m.Upper) {
			t.Errorf("the mount is in the table, %v", err)
		}
		return os.WriteFile(filepath.Join(dir, "f"), []byte("2"), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(m.Upper, "f")); err != nil || string(data) != "2" {
		t.Errorf("upper: %q, %v", data, err)
	}
	// A bad mount says what the kernel says.
	bad := m
	bad.Lower = []string{"/does/not/exist"}
	if err := overlay.With(t.Context(), bad, func(string) error { return nil }); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("a missing lower: %v", err)
	}
}

// Below a long path, where fsconfig takes no value of 256 bytes, an overlay
// is mounted all the same.
func TestLongPath(t *testing.T) {
	needOverlay(t)
	root := filepath.Join(t.TempDir(), strings.Repeat("long", 40), strings.Repeat("path", 40))
	if err := overlay.Supported(root); err != nil {
		t.Error(err)
	}
}

func TestSupported(t *testing.T) {
	needOverlay(t)
	s, err := overlay.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(t.Context(), "k", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), "1", "k"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Prepare(t.Context(), "k", "1")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := overlay.Mount(m, dir); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = overlay.Unmount(dir) }()
	err = overlay.Supported(filepath.Join(dir, "state"))
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "itself on an overlay") {
		t.Errorf("on an overlay: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "state"))
	if err != nil || len(left) != 0 {
		t.Errorf("the probe left %v, %v", left, err)
	}
	if err := overlay.Mount(mount.Mount{Type: "bind", Source: dir, ReadOnly: true}, dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("a read-only bind: %v", err)
	}
	if err := overlay.Unmount(dir); err != nil {
		t.Error(err)
	}
}
