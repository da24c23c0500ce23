package tree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a directory with a tree in "top" and something beside it.
func world(t *testing.T) (top string) {
	t.Helper()
	dir := t.TempDir()
	top = filepath.Join(dir, "top")
	must(t, os.MkdirAll(filepath.Join(top, "a/b/c"), 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, "beside"), 0o755))
	must(t, os.WriteFile(filepath.Join(top, "file"), nil, 0o644))
	for name, target := range map[string]string{
		"up": "..", "away": dir + "/beside", "rel": "../beside", "abs": "/a/b", "s": "a/b", "a/back": "../a", "loop": "loop",
		"a/b/top": "../../../../../..", "dangling": "nowhere",
	} {
		must(t, os.Symlink(target, filepath.Join(top, name)))
	}
	return top
}

func TestEnter(t *testing.T) {
	top := world(t)
	c, err := NewCursor(top, 64, nil)
	must(t, err)
	defer c.Close()
	for _, tc := range []struct {
		name, path string
		err        error
	}{
		{"", "", nil},
		{"a/b/c", "a/b/c", nil},
		{"a/b", "a/b", nil},
		{"/a//./b/", "a/b", nil},
		{"..", "", nil},
		{"../../a", "a", nil},
		{"a/../../../a/b", "a/b", nil},
		{"up/a", "a", nil},
		{"abs/c", "a/b/c", nil},
		{"s/c", "a/b/c", nil},
		{"a/back/b", "a/b", nil},
		{"a/b/top/a", "a", nil},
		{"a/b/c/../../b", "a/b", nil},
		{"s/..", "a", nil}, // as the kernel: ".." of where the link led
		{"rel", "", unix.ENOENT},
		{"away", "", unix.ENOENT},
		{"loop", "", unix.ELOOP},
		{"dangling", "", unix.ENOENT},
		{"file", "", unix.ENOTDIR},
		{"file/x", "", unix.ENOTDIR},
		{"a/b/c", "a/b/c", nil},
		{strings.Repeat("a/back/", 60), "", errdefs.ErrExhausted},
		{strings.Repeat("x/", 100), "", errdefs.ErrExhausted},
	} {
		err := c.Enter(t.Context(), tc.name)
		if !errors.Is(err, tc.err) || err == nil && c.Path() != tc.path {
			t.Errorf("%.40q: at %q, %v; want %q, %v", tc.name, c.Path(), err, tc.path, tc.err)
		}
	}
	must(t, c.Enter(t.Context(), "a/b"))
	st, err := Fstat(c.Dir())
	must(t, err)
	var want unix.Stat_t
	must(t, unix.Stat(filepath.Join(top, "a/b"), &want))
	if st.Ino != want.Ino || c.Child("x") != "a/b/x" {
		t.Errorf("stands in inode %d, %s; want %d", st.Ino, c.Child("x"), want.Ino)
	}
}

func TestFill(t *testing.T) {
	top := world(t)
	var asked []string
	c, err := NewCursor(top, 64, func(_ context.Context, dir int, path, base string, st *unix.Stat_t) (string, error) {
		asked = append(asked, join(path, base))
		switch {
		case st != nil:
			return "", unix.EEXIST
		case base == "link":
			return "/a/b", nil
		case base == "nothing":
			return "", nil
		}
		return "", unix.Mkdirat(dir, base, 0o755)
	})
	must(t, err)
	defer c.Close()
	must(t, c.Enter(t.Context(), "a/n/m"))
	must(t, c.Enter(t.Context(), "a/link/c"))
	if c.Path() != "a/b/c" || strings.Join(asked, " ") != "a/n a/n/m a/link" {
		t.Errorf("at %s, asked for %v", c.Path(), asked)
	}
	if err := c.Enter(t.Context(), "file/x"); !errors.Is(err, unix.EEXIST) {
		t.Errorf("below a file: %v", err)
	}
	if err := c.Enter(t.Context(), "nothing"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a fill that does nothing: %v", err)
	}
}

// A directory that was changed through the cursor keeps its time.
func TestCursorKeepsTimes(t *testing.T) {
	top := world(t)
	when := time.Unix(1_000_000_000, 42)
	for _, name := range []string{"a/b/c", "a/b", "a", "."} {
		must(t, os.Chtimes(filepath.Join(top, name), when, when))
	}
	c, err := NewCursor(top, 64, nil)
	must(t, err)
	for _, name := range []string{"a/b", "a", "a/b/c", ""} {
		must(t, c.Enter(t.Context(), name))
		c.Touch()
		must(t, unix.Mkdirat(c.Dir(), "new", 0o755))
	}
	must(t, c.Enter(t.Context(), "a"))
	c.SetTime(unix.Timespec{Sec: 5})
	must(t, c.Close())
	for name, want := range map[string]time.Time{"a/b/c": when, "a/b": when, ".": when, "a": time.Unix(5, 0)} {
		fi, err := os.Stat(filepath.Join(top, name))
		if err != nil || !fi.ModTime().Equal(want) {
			t.Errorf("%s: %v, %v; want %v", name, fi.ModTime(), err, want)
		}
	}
	must(t, c.Close())
}

func TestFork(t *testing.T) {
	c, err := NewCursor(world(t), 64, nil)
	must(t, err)
	must(t, c.Enter(t.Context(), "a"))
	f, err := c.Fork()
	must(t, err)
	must(t, f.Enter(t.Context(), "a/b"))
	if c.Path() != "a" || f.Path() != "a/b" {
		t.Errorf("%s and %s", c.Path(), f.Path())
	}
	must(t, f.Close())
	must(t, c.Enter(t.Context(), "a/b"))
	must(t, c.Close())
}

func TestRemove(t *testing.T) {
	top := world(t)
	beside := filepath.Join(top, "../beside/keep")
	must(t, os.WriteFile(beside, nil, 0o644))
	must(t, os.Chmod(filepath.Join(top, "a/b"), 0))
	fd, err := Open(top)
	must(t, err)
	defer unix.Close(fd)
	for name, dir := range map[string]bool{"a": true, "away": false, "rel": false, "file": false, "never was": false} {
		was, err := Remove(fd, name)
		if err != nil || was != dir {
			t.Errorf("%s: was a directory %v, %v", name, was, err)
		}
		if _, err := Stat(fd, name); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if err := Empty(fd, func(name string) bool { return name == "s" }); err != nil {
		t.Error(err)
	}
	names, err := Names(fd)
	if err != nil || len(names) != 1 || names[0] != "s" {
		t.Errorf("left: %v, %v", names, err)
	}
	if _, err := os.Stat(beside); err != nil {
		t.Errorf("what a link led to is gone: %v", err)
	}
}

func TestShips(t *testing.T) {
	for name, want := range map[string]bool{
		"user.a": true, "user.overlay.opaque": false, "user.overlay.": false, "user.overlayish": true,
		"user.containers.override_stat": false, "user.fuseoverlayfs.opaque": false,
		"security.capability": true, "security.selinux": false, "security.ima": false,
		"trusted.a": false, "trusted.overlay.redirect": false, "trusted.overlay.overlay.opaque": false,
		"system.posix_acl_access": true, "system.posix_acl_default": true, "system.nfs4_acl": false, "": false,
	} {
		if Ships(name) != want {
			t.Errorf("Ships(%q) is not %v", name, want)
		}
	}
}

func TestReadLink(t *testing.T) {
	dir := t.TempDir()
	fd, err := Open(dir)
	must(t, err)
	defer unix.Close(fd)
	for _, n := range []int{1, 255, 256, 257, 4000} {
		target := strings.Repeat("x", n)
		must(t, unix.Symlinkat(target, fd, "l"))
		if got, err := ReadLink(fd, "l"); got != target || err != nil {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
		must(t, os.Remove(filepath.Join(dir, "l")))
	}
}

func TestCopyData(t *testing.T) {
	dir := t.TempDir()
	in, err := os.Create(filepath.Join(dir, "in"))
	must(t, err)
	defer in.Close()
	_, err = in.WriteAt([]byte("middle"), 5<<20)
	must(t, err)
	must(t, in.Truncate(9<<20))
	want, err := os.ReadFile(in.Name())
	must(t, err)
	for name, copyTo := range map[string]func(out *os.File) error{
		"whole": func(out *os.File) error { return CopyData(int(in.Fd()), int(out.Fd()), 9<<20) },
		"plain": func(out *os.File) error { return copyPlain(int(in.Fd()), int(out.Fd()), 0, 9<<20) },
	} {
		out, err := os.Create(filepath.Join(dir, name))
		must(t, err)
		must(t, copyTo(out))
		got, err := os.ReadFile(out.Name())
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %d bytes differ, %v", name, len(got), err)
		}
		st, err := Fstat(int(out.Fd()))
		if err != nil || name == "whole" && st.Blocks*512 > 1<<20 {
			t.Errorf("%s: the holes are filled: %d KiB, %v", name, st.Blocks/2, err)
		}
		out.Close()
	}
}
