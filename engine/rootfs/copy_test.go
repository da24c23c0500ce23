package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// newTree makes files, and links where the text begins with "->", below a new
// directory, and opens it.
func newTree(t *testing.T, files map[string]string) (dir string, fd int) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if len(text) > 2 && text[:2] == "->" {
			err = os.Symlink(text[2:], path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	fd, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return dir, fd
}

func TestCopyFollowsTheRulesOfCp(t *testing.T) {
	t.Parallel()
	owner := &Owner{UID: os.Getuid(), GID: os.Getgid()}
	for _, tc := range []struct {
		src, dst string
		made     string // which file then holds "x"
		want     error
	}{
		{"/file", "/new", "new", nil},
		{"/file", "/there", "there/file", nil},
		{"/file", "/there/", "there/file", nil},
		{"/file", "/old", "old", nil},
		{"/file", "/old/", "", errdefs.ErrInvalid},
		{"/file", "/none/", "", errdefs.ErrNotFound},
		{"/file", "/none/new", "", errdefs.ErrNotFound},
		{"/file/", "/new", "", errdefs.ErrInvalid},
		{"/nosuch", "/new", "", errdefs.ErrNotFound},
		{"/tree", "/new", "new/sub/leaf", nil},
		{"/tree", "/there", "there/tree/sub/leaf", nil},
		{"/tree/.", "/there", "there/sub/leaf", nil},
		{"/tree/.", "/new", "new/sub/leaf", nil},
		{"/tree", "/old", "", errdefs.ErrInvalid},
		{"/tree", "/", "tree/sub/leaf", nil},
		// Links stay inside, wherever they point.
		{"/file", "/up/in", "in", nil},
		{"/file", "/absolute", "there/file", nil},
		{"/file", "/absolute/named", "there/named", nil},
		{"/file", "/loop", "", errdefs.ErrInvalid},
		{"/out/file", "/new", "new", nil},
	} {
		_, from := newTree(t, map[string]string{"file": "x", "tree/sub/leaf": "x", "out": "->../../../.."})
		dir, to := newTree(t, map[string]string{
			"there/other": "y", "old": "y", "up": "->../../..", "absolute": "->/there", "loop": "->/loop",
		})
		src, err := Find(t.Context(), Root{FD: from}, tc.src, false, nil)
		if err == nil {
			_, err = Put(t.Context(), Root{FD: to}, tc.dst, src, PutOptions{Owner: owner})
			src.Close()
		}
		if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%s to %s: %v, want %v", tc.src, tc.dst, err, tc.want)
			continue
		}
		if tc.made == "" {
			continue
		}
		if got, err := os.ReadFile(filepath.Join(dir, tc.made)); err != nil || string(got) != "x" {
			t.Errorf("%s to %s: %q, %v in %s", tc.src, tc.dst, got, err, tc.made)
		}
	}
}

// What a container plants in its own tree is not followed on the way out.
func TestCopyOutStaysBelowItsTarget(t *testing.T) {
	t.Parallel()
	owner := &Owner{UID: os.Getuid(), GID: os.Getgid()}
	_, from := newTree(t, map[string]string{"tree/lib/leaf": "x"})
	dir, to := newTree(t, map[string]string{"elsewhere/kept": "y", "into/tree/lib": "->../../elsewhere"})
	src, err := Find(t.Context(), Root{FD: from}, "/tree", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := Put(t.Context(), Root{FD: to}, "/into", src, PutOptions{Owner: owner, Confined: true}); err != nil {
		t.Logf("refused: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "elsewhere/leaf")); err == nil {
		t.Error("a link that lay in the way was followed out of the target")
	}
}
