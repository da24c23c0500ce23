package files

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/plan"
)

// TestStack shows layers, one directory or many, whole and in part, on kernels that
// copy detached mounts and on those that do not.
func TestStack(t *testing.T) {
	t.Parallel()
	needRoot(t)
	m := stack(t, 2)
	m.Upper, m.Work, m.ReadOnly = "", "", true
	for _, dir := range m.Lower {
		err := errors.Join(os.MkdirAll(dir+"/a/b", 0o755), os.Symlink("/a/b", dir+"/link"), os.Symlink("../../..", dir+"/up"),
			os.WriteFile(dir+"/a/b/f", nil, 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []mount.Mount{m, {Type: "bind", Source: m.Lower[0], ReadOnly: true}} {
		for sub, file := range map[string]string{"": "a/b/f", "a/b": "f", "link": "f", "up": "a/b/f"} {
			s := Stack{Mount: m, Subpath: sub, Name: "image"}
			fd, err := openStack(s, plan.File{})
			if err != nil {
				t.Errorf("%s %q: %v", m.Type, sub, err)
				continue
			}
			shows(t, fd, m.Type+" "+sub, file)
			if sub == "" {
				continue
			}
			whole, err := openRoot(m, 0)
			if err != nil {
				t.Fatal(err)
			}
			if fd, err = subtreeWithin(whole, s); err != nil {
				t.Errorf("%s %q, attached: %v", m.Type, sub, err)
			} else {
				shows(t, fd, m.Type+" "+sub+", attached", file)
			}
			unix.Close(whole)
		}
		_, err := openStack(Stack{Mount: m, Subpath: "nosuch", Name: "image"}, plan.File{})
		if !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: nothing there: %v", m.Type, err)
		}
	}
}

// shows expects a file below a mount, and that none can be made beside it.
func shows(t *testing.T, fd int, what, file string) {
	t.Helper()
	defer unix.Close(fd)
	if _, err := os.Stat("/proc/self/fd/" + strconv.Itoa(fd) + "/" + file); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if err := unix.Mkdirat(fd, "new", 0o755); !errors.Is(err, unix.EROFS) {
		t.Errorf("%s: writing: %v", what, err)
	}
}
