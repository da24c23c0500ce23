package files

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/sandbox/host"
)

// stack makes n layers with a file each, at long paths with awkward letters.
func stack(t *testing.T, n int) mount.Mount {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: mounts")
	}
	dir := filepath.Join(t.TempDir(), strings.Repeat("long,er:", 25))
	m := mount.Mount{Type: "overlay", Upper: dir + "/upper", Work: dir + "/work", Options: []string{"index=off"}}
	for _, d := range []string{m.Upper, m.Work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		lower := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(lower, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lower, "file"+strconv.Itoa(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		m.Lower = append(m.Lower, lower)
	}
	return m
}

// TestOverlayForms mounts the same layers as new kernels and as old ones do.
func TestOverlayForms(t *testing.T) {
	t.Parallel()
	before := mounts(t)
	forms := map[string]func(mount.Mount, uint64) (int, error){"mount(2)": classicOverlay}
	if features, err := host.Detect(); err != nil {
		t.Fatal(err)
	} else if features.Kernel.AtLeast(6, 7) {
		forms["lowerdir+"] = openOverlay
	}
	for name, open := range forms {
		for _, n := range []int{1, 128} {
			m := stack(t, n)
			fd, err := open(m, 0)
			if err != nil {
				t.Fatalf("%s, %d layers: %v", name, n, err)
			}
			f := os.NewFile(uintptr(fd), "overlay")
			root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(fd))
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if _, err := root.Stat("file" + strconv.Itoa(i)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := root.WriteFile("new", nil, 0o600); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			root.Close()
			f.Close()
			if _, err := os.Stat(m.Upper + "/new"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			fd, err = open(m, unix.MOUNT_ATTR_RDONLY)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkdirat(fd, "x", 0o755); err != unix.EROFS {
				t.Errorf("%s, read-only: %v", name, err)
			}
			unix.Close(fd)
		}
	}
	// Other packages' tests mount overlays too, for a moment.
	var left []string
	for range 50 {
		left = slices.DeleteFunc(mounts(t), func(line string) bool { return slices.Contains(before, line) })
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("mounted on the host: %q", left)
}

// mounts are the overlays in this test's mount namespace. The thread's, since
// the one that left it to mount privately may have been the process's first.
func mounts(t *testing.T) (overlays []string) {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, " - overlay ") {
			overlays = append(overlays, line)
		}
	}
	return overlays
}

// TestMappedForms shows layers with their owners mapped, as new kernels and as old ones do.
func TestMappedForms(t *testing.T) {
	t.Parallel()
	ids := []mount.IDRange{{Inside: 0, Outside: 700_000, Size: 1000}}
	m := stack(t, 3)
	m.IDMap = mount.IDMap{UIDs: ids, GIDs: ids}
	ns, err := userNamespace(ids, ids)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ns)
	forms := map[string]func() (int, error){
		"as this kernel has it": func() (int, error) { return openMapped(m, 0) },
		"attached": func() (int, error) {
			var layers []int
			for _, dir := range m.Lower {
				fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
				if err != nil {
					return -1, err
				}
				defer unix.Close(fd)
				if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH,
					&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)}); err != nil {
					return -1, err
				}
				layers = append(layers, fd)
			}
			return attachedOverlay(m, 0, layers)
		},
	}
	for name, open := range forms {
		fd, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range m.Lower {
			var st unix.Stat_t
			if err := unix.Fstatat(fd, "file"+strconv.Itoa(i), &st, 0); err != nil || st.Uid != 700_000 || st.Gid != 700_000 {
				t.Errorf("%s, layer %d: owner %d:%d, %v; want 700000", name, i, st.Uid, st.Gid, err)
			}
		}
		unix.Close(fd)
	}
}
