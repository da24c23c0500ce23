package task

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// Stubs are mount points that were not in a root before it was used, and
// directories that an overlay has to copy up to make them in.
type Stubs struct {
	root  string
	paths []string // relative, deepest first
	// copied are those that only a lower layer had, with what they were there.
	copied map[string]unix.Stat_t
}

// Missing finds which mount points of a container, and which directories above
// them, are in none of the root's directories.
func Missing(root mount.Mount, spec *specs.Spec) Stubs {
	var points []string
	for _, m := range spec.Mounts {
		points = append(points, m.Destination)
	}
	for _, name := range etcFiles {
		points = append(points, "/etc/"+name)
	}
	s := Stubs{root: root.Upper, copied: map[string]unix.Stat_t{}}
	dirs := append([]string{root.Upper}, root.Lower...)
	if root.Type == "bind" {
		s.root, dirs = root.Source, []string{root.Source}
	}
	if s.root == "" {
		return s
	}
	var fds []int
	for _, dir := range dirs {
		if fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			defer unix.Close(fd)
			fds = append(fds, fd)
		}
	}
	for _, p := range points {
		for p = strings.Trim(path.Clean("/"+p), "/"); p != "" && p != "."; p = path.Dir(p) {
			if slices.Contains(s.paths, p) {
				continue
			}
			at := slices.IndexFunc(fds, func(fd int) bool { return existsIn(fd, p) })
			if at < 0 {
				s.paths = append(s.paths, p)
			} else if at > 0 && len(s.paths) > 0 && path.Dir(s.paths[len(s.paths)-1]) == p {
				var st unix.Stat_t
				if unix.Fstatat(fds[at], p, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
					st.Mode&unix.S_IFMT == unix.S_IFDIR {
					s.paths, s.copied[p] = append(s.paths, p), st
				}
			}
		}
	}
	slices.SortFunc(s.paths, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return s
}

func existsIn(root int, p string) bool {
	fd, err := unix.Openat2(root, p, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// unchanged reports whether a copied-up directory says what its original says;
// then, when it is empty, the original shows through again without it.
func unchanged(info os.FileInfo, was unix.Stat_t) bool {
	now, ok := info.Sys().(*syscall.Stat_t)
	return ok && now.Mode == was.Mode && now.Uid == was.Uid && now.Gid == was.Gid
}

// Remove deletes those that are still empty.
func (s Stubs) Remove() error {
	if s.root == "" || len(s.paths) == 0 {
		return nil
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return fmt.Errorf("removing mount points: %w", err)
	}
	defer root.Close()
	for _, p := range s.paths {
		info, err := root.Lstat(p)
		if was, copied := s.copied[p]; copied && err == nil && !unchanged(info, was) {
			continue
		}
		if err != nil || (info.Mode().IsRegular() && info.Size() > 0) || (!info.IsDir() && !info.Mode().IsRegular()) {
			continue
		}
		// A directory that something was put into stays.
		if err := root.Remove(p); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("removing mount points: %w", err)
		}
	}
	return nil
}
