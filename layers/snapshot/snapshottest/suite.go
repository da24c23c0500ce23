// Package snapshottest is the one suite that every snapshotter passes.
package snapshottest

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/overlay"
)

// New opens the implementation on root.
type New func(root string) (snapshot.Store, error)

// Run runs the suite.
func Run(t *testing.T, open New) {
	for name, test := range map[string]func(*testing.T, snapshot.Store){
		"Life":            life,
		"Stack":           stack,
		"View":            view,
		"Errors":          failures,
		"Exists":          exists,
		"Keys":            keys,
		"Usage":           usage,
		"UsageOfWhatGoes": usageOfWhatGoes,
		"Sizes":           sizes,
		"Clean":           clean,
		"Again":           again,
		"Top":             top,
		"NoParent":        noParent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
	t.Run("Processes", func(t *testing.T) { processes(t, open) })
}

// with runs fn on a mount's tree.
func with(t *testing.T, m mount.Mount, fn func(dir string)) {
	t.Helper()
	err := overlay.With(t.Context(), m, func(dir string) error { fn(dir); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// put writes files, "name" or "name=content", or removes "-name".
func put(t *testing.T, m mount.Mount, files ...string) {
	t.Helper()
	with(t, m, func(dir string) {
		for _, f := range files {
			if f[0] == '-' {
				check(t, os.RemoveAll(filepath.Join(dir, f[1:])))
				continue
			}
			check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, f)), 0o755))
			check(t, os.WriteFile(filepath.Join(dir, f), []byte(f), 0o644))
		}
	})
}

// list returns the files of a mount's tree.
func list(t *testing.T, m mount.Mount) []string {
	t.Helper()
	files := []string{}
	with(t, m, func(dir string) {
		root, err := os.OpenRoot(dir)
		check(t, err)
		defer root.Close()
		var walk func(name string)
		walk = func(name string) {
			f, err := root.Open(name)
			check(t, err)
			defer f.Close()
			entries, err := f.ReadDir(-1)
			check(t, err)
			for _, e := range entries {
				child := filepath.Join(name, e.Name())
				if e.IsDir() {
					walk(child)
				} else {
					files = append(files, child)
				}
			}
		}
		walk(".")
	})
	slices.Sort(files)
	return files
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, m mount.Mount, files ...string) {
	t.Helper()
	if got := list(t, m); !slices.Equal(got, files) {
		t.Errorf("files %v, want %v", got, files)
	}
}

func wantErr(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
	}
}

// commit makes a committed snapshot of these files on parent.
func commit(t *testing.T, s snapshot.Store, name, parent string, files ...string) {
	t.Helper()
	m, err := s.Prepare(t.Context(), "active/"+name, parent)
	check(t, err)
	put(t, m, files...)
	check(t, s.Commit(t.Context(), name, "active/"+name))
}

func mounts(t *testing.T, s snapshot.Store, key string) mount.Mount {
	t.Helper()
	m, err := s.Mounts(t.Context(), key)
	check(t, err)
	return m
}

func all(t *testing.T, s snapshot.Store) map[string]snapshot.Info {
	t.Helper()
	infos := map[string]snapshot.Info{}
	for info, err := range s.All(t.Context()) {
		check(t, err)
		infos[info.Key] = info
	}
	return infos
}

func life(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	commit(t, s, "sha256:base", "", "a", "d/b")
	m, err := s.Prepare(ctx, "container/1", "sha256:base")
	check(t, err)
	want(t, m, "a", "d/b")
	put(t, m, "c", "-d")
	want(t, m, "a", "c")
	want(t, mounts(t, s, "container/1"), "a", "c")
	want(t, mounts(t, s, "sha256:base"), "a", "d/b")
	info, err := s.Stat(ctx, "container/1")
	if err != nil || info != (snapshot.Info{Key: "container/1", Parent: "sha256:base", Kind: snapshot.Active}) {
		t.Errorf("%+v, %v", info, err)
	}
	check(t, s.Remove(ctx, "container/1"))
	_, err = s.Stat(ctx, "container/1")
	wantErr(t, err, errdefs.ErrNotFound)
	check(t, s.Remove(ctx, "sha256:base"))
	if left := all(t, s); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	check(t, s.Sync())
}

func stack(t *testing.T, s snapshot.Store) {
	commit(t, s, "1", "", "a", "b", "d/x")
	commit(t, s, "2", "1", "c", "-b")
	commit(t, s, "3", "2", "-d", "d/y")
	want(t, mounts(t, s, "1"), "a", "b", "d/x")
	want(t, mounts(t, s, "2"), "a", "c", "d/x")
	want(t, mounts(t, s, "3"), "a", "c", "d/y")
	if got, want := slices.Sorted(maps.Keys(all(t, s))), []string{"1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
}

func view(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	commit(t, s, "1", "", "a")
	commit(t, s, "2", "1", "b")
	for _, parent := range []string{"1", "2"} {
		m, err := s.View(ctx, "view/"+parent, parent)
		check(t, err)
		if !m.ReadOnly {
			t.Errorf("the view of %s is not read-only: %+v", parent, m)
		}
		wantErr(t, s.Commit(ctx, "x", "view/"+parent), errdefs.ErrInvalid)
		wantErr(t, s.Remove(ctx, parent), errdefs.ErrConflict)
	}
	want(t, mounts(t, s, "view/2"), "a", "b")
	if os.Geteuid() == 0 {
		with(t, mounts(t, s, "view/1"), func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, "w"), nil, 0o644); err == nil {
				t.Error("a view could be written to")
			}
		})
	}
	check(t, s.Remove(ctx, "view/2"))
	check(t, s.Remove(ctx, "2"))
}

func failures(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	commit(t, s, "1", "", "a")
	_, err := s.Prepare(ctx, "k", "nowhere")
	wantErr(t, err, errdefs.ErrNotFound)
	_, err = s.View(ctx, "k", "nowhere")
	wantErr(t, err, errdefs.ErrNotFound)
	_, err = s.Mounts(ctx, "k")
	wantErr(t, err, errdefs.ErrNotFound)
	wantErr(t, s.Remove(ctx, "k"), errdefs.ErrNotFound)
	wantErr(t, s.Commit(ctx, "n", "k"), errdefs.ErrNotFound)
	_, err = s.Prepare(ctx, "k", "1")
	check(t, err)
	_, err = s.Prepare(ctx, "k", "1")
	wantErr(t, err, errdefs.ErrExists)
	_, err = s.View(ctx, "k", "1")
	wantErr(t, err, errdefs.ErrExists)
	_, err = s.Prepare(ctx, "k2", "k")
	wantErr(t, err, errdefs.ErrInvalid)
	wantErr(t, s.Remove(ctx, "1"), errdefs.ErrConflict)
	wantErr(t, s.Commit(ctx, "n", "1"), errdefs.ErrInvalid)
	check(t, s.Remove(ctx, "k"))
	check(t, s.Remove(ctx, "1"))
}

func exists(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	commit(t, s, "1", "", "a")
	m, err := s.Prepare(ctx, "k", "")
	check(t, err)
	put(t, m, "other")
	wantErr(t, s.Commit(ctx, "1", "k"), errdefs.ErrExists)
	_, err = s.Stat(ctx, "k")
	wantErr(t, err, errdefs.ErrNotFound)
	want(t, mounts(t, s, "1"), "a")
}

func keys(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	odd := []string{"a/b", "..", ".", "/", "%2F", "sha256:abc", "ä ö", "../../x", "-", "a%", "new\nline"}
	for _, key := range odd {
		_, err := s.Prepare(ctx, key, "")
		check(t, err)
	}
	got := all(t, s)
	for _, key := range odd {
		if got[key].Key != key {
			t.Errorf("%q is lost: %v", key, got)
		}
		check(t, s.Remove(ctx, key))
	}
	for _, key := range []string{"", string(make([]byte, 300))} {
		_, err := s.Prepare(ctx, key, "")
		wantErr(t, err, errdefs.ErrInvalid)
	}
}

func usage(t *testing.T, s snapshot.Store) {
	m, err := s.Prepare(t.Context(), "k", "")
	check(t, err)
	with(t, m, func(dir string) {
		check(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1<<20), 0o644))
		check(t, os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "g")))
		check(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	})
	u, err := s.Usage(t.Context(), "k")
	if err != nil || u.Inodes != 2 || u.FileBytes != 1<<20 || u.Bytes < 1<<20 || u.Bytes > 1<<20+16<<10 {
		t.Errorf("%+v, %v; want 2 inodes and about 1 MiB", u, err)
	}
	_, err = s.Usage(t.Context(), "nothing")
	wantErr(t, err, errdefs.ErrNotFound)
}

// usageOfWhatGoes: a snapshot that is removed while it is measured is gone, and not
// one that cannot be read.
func usageOfWhatGoes(t *testing.T, s snapshot.Store) {
	for range 5 {
		m, err := s.Prepare(t.Context(), "going", "")
		check(t, err)
		with(t, m, func(dir string) {
			for i := range 200 {
				check(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o644))
			}
		})
		removed := make(chan error, 1)
		go func() { removed <- s.Remove(t.Context(), "going") }()
		for err == nil {
			_, err = s.Usage(t.Context(), "going")
		}
		wantErr(t, err, errdefs.ErrNotFound)
		check(t, <-removed)
	}
}

// clean: what a kill leaves goes, what is in use stays.
func clean(t *testing.T, s snapshot.Store) {
	commit(t, s, "1", "", "a")
	m, err := s.Prepare(t.Context(), "k", "1")
	check(t, err)
	put(t, m, "b")
	root := filepath.Dir(filepath.Dir(writable(m)))
	orphan := filepath.Join(root, "aaaaaaaa")
	check(t, os.MkdirAll(filepath.Join(orphan, "fs", "x"), 0o755))
	check(t, s.Clean(t.Context()))
	if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the orphan is still there: %v", err)
	}
	want(t, mounts(t, s, "k"), "a", "b")
}

func writable(m mount.Mount) string {
	if m.Upper != "" {
		return m.Upper
	}
	return m.Source
}

// again: a second mount of an active snapshot sees what the first wrote.
func again(t *testing.T, s snapshot.Store) {
	commit(t, s, "1", "", "a")
	m, err := s.Prepare(t.Context(), "k", "1")
	check(t, err)
	for _, f := range []string{"b", "c"} {
		put(t, m, f)
	}
	want(t, mounts(t, s, "k"), "a", "b", "c")
}

// top: the top directory's mode and times are the parent's.
func top(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	m, err := s.Prepare(ctx, "k", "")
	check(t, err)
	check(t, os.Chmod(m.Source, 0o711))
	check(t, s.Commit(ctx, "1", "k"))
	commit(t, s, "2", "1", "a")
	with(t, mounts(t, s, "2"), func(dir string) {
		fi, err := os.Stat(dir + "/.")
		if err != nil || fi.Mode().Perm() != 0o711 {
			t.Errorf("the top is %v, %v", fi.Mode(), err)
		}
	})
}

func noParent(t *testing.T, s snapshot.Store) {
	m, err := s.Prepare(t.Context(), "k", "")
	check(t, err)
	put(t, m, "a")
	m, err = s.View(t.Context(), "v", "")
	check(t, err)
	want(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.All(ctx) {
		wantErr(t, err, context.Canceled)
	}
}

// sizes are kept of keys that are snapshots and of those that are none yet.
func sizes(t *testing.T, s snapshot.Store) {
	ctx := t.Context()
	const packed, odd = "sha256:abc", "../a/b"
	for _, key := range []string{packed, odd} {
		if _, err := s.Size(ctx, key); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v before it was told", key, err)
		}
	}
	check(t, s.SetSize(ctx, packed, 0))
	check(t, s.SetSize(ctx, odd, 1<<40))
	check(t, s.SetSize(ctx, packed, 0)) // told by two who made the same
	for key, want := range map[string]int64{packed: 0, odd: 1 << 40} {
		if n, err := s.Size(ctx, key); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", key, n, err, want)
		}
	}
	if err := s.SetSize(ctx, "", 1); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("no key: %v", err)
	}
	check(t, s.Clean(ctx))
	var keys []string
	for key, err := range s.Sizes(ctx) {
		check(t, err)
		keys = append(keys, key)
	}
	if slices.Sort(keys); !slices.Equal(keys, []string{odd, packed}) {
		t.Errorf("sizes of %q", keys)
	}
	check(t, s.DropSize(ctx, odd))
	check(t, s.DropSize(ctx, odd))
	if _, err := s.Size(ctx, odd); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("dropped: %v", err)
	}
}
