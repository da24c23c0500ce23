package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
)

func TestStat(t *testing.T) {
	t.Parallel()
	dir, root := newTree(t, map[string]string{"etc/passwd": "root", "a/b/c": "text"})
	for name, to := range map[string]string{
		"abs": "/etc/passwd", "rel": "a/b/c", "out": "../../../../etc/passwd", "chain": "abs", "nowhere": "/not/here",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o1751|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, base, target string
		size               int64
		mode               fs.FileMode
	}{
		{"/etc/passwd", "passwd", "", 4, 0},
		{"a/b/../b/c", "c", "", 4, 0},
		{"/a", "a", "", -1, fs.ModeDir | fs.ModeSticky},
		{"/", "/", "", -1, fs.ModeDir},
		{"/abs", "abs", "/etc/passwd", -1, fs.ModeSymlink},
		{"/rel", "rel", "/a/b/c", -1, fs.ModeSymlink},
		{"/out", "out", "/etc/passwd", -1, fs.ModeSymlink},
		{"/chain", "chain", "/etc/passwd", -1, fs.ModeSymlink},
	} {
		s, err := StatOf(t.Context(), Root{FD: root}, tc.name)
		if err != nil || s.Name != tc.base || s.Target != tc.target || s.Mode&^fs.ModePerm != tc.mode ||
			tc.size >= 0 && s.Size != tc.size || s.MTime.IsZero() {
			t.Errorf("%s is %+v, %v; want %+v", tc.name, s, err, tc)
		}
	}
	for _, missing := range []string{"/not/here", "/nothing"} {
		if _, err := StatOf(t.Context(), Root{FD: root}, missing); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", missing, err)
		}
	}
	if err := os.Symlink(strings.Repeat("n", 300), filepath.Join(dir, "long")); err != nil {
		t.Fatal(err)
	}
	for _, cannotBe := range []string{"/a/" + strings.Repeat("n", 300), "/a\x00b", "/etc/passwd/below", "/long"} {
		if _, err := StatOf(t.Context(), Root{FD: root}, cannotBe); cannotBe != "/long" && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", cannotBe, err)
		}
		if _, err := Find(t.Context(), Root{FD: root}, cannotBe, true, nil); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("copying %q: %v", cannotBe, err)
		}
	}
}

func TestModesAreGos(t *testing.T) {
	t.Parallel()
	for mode, want := range map[uint32]fs.FileMode{
		0o100644: 0o644,
		0o104755: 0o755 | fs.ModeSetuid,
		0o102711: 0o711 | fs.ModeSetgid,
		0o041777: 0o777 | fs.ModeDir | fs.ModeSticky,
		0o120777: 0o777 | fs.ModeSymlink,
		0o010600: 0o600 | fs.ModeNamedPipe,
		0o140600: 0o600 | fs.ModeSocket,
		0o020600: 0o600 | fs.ModeDevice | fs.ModeCharDevice,
		0o060600: 0o600 | fs.ModeDevice,
	} {
		if got := fileMode(mode); got != want {
			t.Errorf("%o is %v, want %v", mode, got, want)
		}
	}
}
