// Package stubs takes the mountpoints of a container out of what its command
// changed.
//
// Whoever starts a container makes the files and directories that something is
// mounted on, in the container's own root filesystem. They are no work of the
// command, and would be in the layer of every RUN.
package stubs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
)

// mountpoints are what every container has something mounted on.
var mountpoints = []string{"dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"}

// Stubs are the mountpoints that may be made on one snapshot.
type Stubs struct {
	missing []string // were not there before, deepest first
	parents []string // were there, and changed only by a stub in them, deepest first
}

// Find notes, before the command, what is there of the mountpoints of m that
// every container has, and of these targets.
func Find(m mount.Mount, targets ...string) Stubs {
	points := slices.Clone(mountpoints)
	for _, t := range targets {
		if t != "" {
			points = append(points, strings.TrimPrefix(path.Clean(t), "/"))
		}
	}
	var st Stubs
	for _, p := range points {
		missing := false
		for i := 0; i <= len(p); i++ {
			if i < len(p) && p[i] != '/' {
				continue
			}
			dir := p[:i]
			if missing || stat(m, dir) == nil {
				missing = true
				st.missing = append(st.missing, dir)
			} else if i < len(p) {
				st.parents = append(st.parents, dir)
			}
		}
	}
	deepest := func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") }
	for _, list := range []*[]string{&st.missing, &st.parents} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
		slices.SortStableFunc(*list, deepest)
	}
	return st
}

// stat looks at a path of an unmounted snapshot, topmost directory first. It
// is nil when nothing is there.
func stat(m mount.Mount, p string) *syscall.Stat_t {
	for _, dir := range append([]string{writable(m)}, m.Lower...) {
		st, err := statIn(dir, p)
		if err != nil {
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
			return nil // a whiteout
		}
		return st
	}
	return nil
}

func writable(m mount.Mount) string {
	if m.Type == "overlay" {
		return m.Upper
	}
	return m.Source
}

func statIn(dir, p string) (*syscall.Stat_t, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(p)
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fs.ErrInvalid
	}
	return st, nil
}

// Remove takes the stubs that are still empty out of the change, and the
// directories that the kernel copied up only to hold them.
func (st Stubs) Remove(m mount.Mount) error {
	root, err := os.OpenRoot(writable(m))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	defer root.Close()
	for _, p := range st.missing {
		info, err := root.Lstat(p)
		if err != nil || info.Mode().IsRegular() && info.Size() > 0 || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		if err := root.Remove(p); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
			return errdefs.Errorf(errdefs.ErrUnavailable, "build: removing the mountpoint /%s: %w", p, err)
		}
	}
	if m.Type != "overlay" {
		return nil
	}
	for _, p := range st.parents {
		if unchangedCopyUp(m, p) {
			_ = root.Remove(p) // not empty: the command changed something in it
		}
	}
	return nil
}

// unchangedCopyUp says whether the upper directory has p with the owner and
// mode that it has below, and not in place of what is below.
func unchangedCopyUp(m mount.Mount, p string) bool {
	if p == "" {
		return false
	}
	up, err := statIn(m.Upper, p)
	if err != nil || up.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false
	}
	low := stat(mount.Mount{Type: "overlay", Upper: m.Lower[0], Lower: m.Lower[1:]}, p)
	if low == nil || low.Mode != up.Mode || low.Uid != up.Uid || low.Gid != up.Gid {
		return false
	}
	root, err := os.OpenRoot(m.Upper)
	if err != nil {
		return false
	}
	defer root.Close()
	dir, err := root.Open(p)
	if err != nil {
		return false
	}
	defer dir.Close()
	buf := make([]byte, 8)
	for _, attr := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		if n, err := unix.Fgetxattr(int(dir.Fd()), attr, buf); err == nil && n > 0 {
			return false
		}
	}
	return true
}
