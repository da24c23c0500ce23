package whiteout

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/tree"
	tt "cove/layers/treetest"
)

func TestParse(t *testing.T) {
	for base, want := range map[string]struct {
		hidden       string
		opaque, meta bool
		err          error
	}{
		"a":              {},
		".w":             {},
		".wha":           {},
		".wh.a":          {hidden: "a"},
		".wh..a":         {hidden: ".a"},
		".wh....":        {hidden: "..."},
		".wh..wh..opq":   {opaque: true},
		".wh..wh..opqx":  {meta: true},
		".wh..wh.plnk":   {meta: true},
		".wh..wh.":       {meta: true},
		".wh.":           {err: errdefs.ErrInvalid},
		".wh..":          {err: errdefs.ErrInvalid},
		".wh...":         {err: errdefs.ErrInvalid},
		".wh.wh":         {hidden: "wh"},
		".wh.with space": {hidden: "with space"},
	} {
		hidden, opaque, meta, err := Parse(base)
		if hidden != want.hidden || opaque != want.opaque || meta != want.meta || !errors.Is(err, want.err) {
			t.Errorf("%q: %q %v %v %v, want %+v", base, hidden, opaque, meta, err, want)
		}
	}
}

func TestPartial(t *testing.T) {
	for attr, want := range map[string]bool{
		"trusted.overlay.redirect": true, "user.overlay.metacopy": true, "trusted.overlay.opaque": false, "user.redirect": false,
	} {
		if _, got := Partial([]string{"user.x", attr}); got != want {
			t.Errorf("%s: %v", attr, got)
		}
	}
}

// Lowers must find exactly what the kernel shows.
func TestLowers(t *testing.T) {
	tt.NeedRoot(t, "whiteout devices and overlay mounts")
	dirs := make([]string, 3)
	fds := make([]int, 3)
	for i := range dirs {
		dirs[i] = t.TempDir()
		fd, err := tree.Open(dirs[i])
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	put := func(layer int, names ...string) {
		for _, name := range names {
			path := filepath.Join(dirs[layer], name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(2, "bottom", "d/bottom", "gone", "opaque/bottom", "opaque/sub/bottom", "filed/bottom", "hidden/x", "back/bottom")
	put(1, "middle", "d/middle", "opaque/middle", "opaque/sub/middle", "filed")
	put(0, "top", "d/top", "opaque/top", "filed2/x", "back/top")
	for _, err := range []error{
		Make(fds[1], "gone"), Make(fds[0], "hidden"), Make(fds[1], "back"), MakeOpaque(fds[1], "opaque", false),
		os.Symlink("d", filepath.Join(dirs[0], "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenLowers(dirs)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mnt := t.TempDir()
	if err := unix.Mount("overlay", mnt, "overlay", unix.MS_RDONLY, "lowerdir="+dirs[0]+":"+dirs[1]+":"+dirs[2]); err != nil {
		t.Skipf("needs overlay mounts: %v", err)
	}
	defer func() { _ = unix.Unmount(mnt, unix.MNT_DETACH) }()
	found := 0
	for _, dir := range []string{"", "d", "opaque", "opaque/sub", "filed", "hidden", "gone", "back", "nowhere", "nowhere/deep"} {
		for _, base := range []string{"top", "middle", "bottom", "d", "gone", "hidden", "opaque", "sub", "filed", "back", "link", "x"} {
			var want unix.Stat_t
			werr := unix.Lstat(filepath.Join(mnt, dir, base), &want)
			fd, got, err := l.Lookup(dir, base)
			if (err == nil) != (werr == nil) || err == nil && got.Mode != want.Mode {
				t.Errorf("%s/%s: %o, %v; the kernel says %o, %v", dir, base, got.Mode, err, want.Mode, werr)
			}
			if err == nil {
				unix.Close(fd)
				found++
			} else if !errors.Is(err, unix.ENOENT) {
				t.Errorf("%s/%s: %v, want ENOENT", dir, base, err)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d were found: the test tests nothing", found)
	}
	shown, err := l.Root()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(mnt)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !shown[e.Name()] {
			t.Errorf("%s is not shown", e.Name())
		}
		delete(shown, e.Name())
	}
	for name, s := range shown {
		if s {
			t.Errorf("%s is shown and not there", name)
		}
	}
	if _, err := OpenLowers([]string{dirs[0], "/does/not/exist"}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a missing layer: %v", err)
	}
}

func TestOpaque(t *testing.T) {
	tt.NeedRoot(t, "trusted attributes")
	dir := t.TempDir()
	fd, err := tree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for value, want := range map[string]bool{"y": true, "x": false, "": false} {
		if err := tree.SetXattr(fd, "", "trusted.overlay.opaque", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, err := IsOpaque(fd); got != want || err != nil {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	if err := unix.Fremovexattr(fd, "trusted.overlay.opaque"); err != nil {
		t.Fatal(err)
	}
	if got, err := IsOpaque(fd); got || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
	if err := MakeOpaque(fd, "", true); err != nil {
		t.Fatal(err)
	}
	if got, err := IsOpaque(fd); !got || err != nil {
		t.Errorf("user: %v, %v", got, err)
	}
}
