package task

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// Stubs are mount points that were not in a root before it was used, and
// directories that an overlay has to copy up to make them in.
type Stubs struct {
	root string // the directory that is written to
	// points are mount points that nothing was at, above directories over them that
	// were not there either: the sandbox makes both.
	points, above []string
	// copied are directories that only a lower layer had, with what they were there.
	copied map[string]unix.Stat_t
}

// Missing finds which mount points of a container, and which directories above
// them, a root does not show.
func Missing(root mount.Mount, spec *specs.Spec) (Stubs, error) {
	s := Stubs{root: root.Upper, copied: map[string]unix.Stat_t{}}
	dirs := append([]string{root.Upper}, root.Lower...)
	if root.Type == "bind" {
		s.root, dirs = root.Source, []string{root.Source}
	}
	if s.root == "" {
		return s, nil
	}
	all, err := whiteout.OpenLowers(dirs)
	if err != nil {
		return s, fmt.Errorf("looking for mount points: %w", err)
	}
	defer all.Close()
	top, err := whiteout.OpenLowers(dirs[:1])
	if err != nil {
		return s, fmt.Errorf("looking for mount points: %w", err)
	}
	defer top.Close()
	find := finder{all: all, top: top, into: &s}
	for _, m := range spec.Mounts {
		find.point(m.Destination)
	}
	for _, name := range etcFiles {
		find.point("/etc/" + name)
	}
	return s, nil
}

// finder walks to mount points in what the directories of a root show together.
type finder struct {
	all, top *whiteout.Lowers
	into     *Stubs
}

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// point notes what is missing on the way to a mount point, through links as they are
// followed in the root.
func (f finder) point(name string) {
	at, left, links := "", path.Clean("/"+name), 0
	lower := map[string]unix.Stat_t{} // directories on the way that the top one has not
	for {
		var part string
		if part, left, _ = strings.Cut(strings.TrimLeft(left, "/"), "/"); part == "" {
			return
		}
		if part == "." || part == ".." {
			at = strings.TrimPrefix(path.Join("/", at, part), "/")
			continue
		}
		next := path.Join(at, part)
		dir, st, err := f.all.Lookup(at, part)
		switch {
		case errors.Is(err, unix.ENOENT):
			f.into.add(next, path.Join(next, left))
			maps.Copy(f.into.copied, lower)
			return
		case err != nil:
			return // nothing can be made below it
		case tree.IsLink(st.Mode):
			link, err := tree.ReadLink(dir, part)
			unix.Close(dir)
			if links++; err != nil || links > maxLinks {
				return
			}
			if left = link + "/" + left; path.IsAbs(link) {
				at = ""
			}
			continue
		}
		unix.Close(dir)
		if own, _, err := f.top.Lookup(at, part); err == nil {
			unix.Close(own)
		} else if tree.IsDir(st.Mode) {
			lower[next] = st
		}
		at = next
	}
}

// add notes that nothing is at point, nor at first, which is on the way to it.
func (s *Stubs) add(first, point string) {
	s.points = append(s.points, point)
	for dir := path.Dir(point); strings.HasPrefix(dir+"/", first+"/"); dir = path.Dir(dir) {
		s.above = append(s.above, dir)
	}
}

// Remove deletes those that are as the sandbox made them and the kernel copied them:
// empty, and with the owner and mode that they had then.
func (s Stubs) Remove() error {
	names := slices.Concat(s.points, s.above, slices.Collect(maps.Keys(s.copied)))
	if s.root == "" || len(names) == 0 {
		return nil
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return fmt.Errorf("removing mount points: %w", err)
	}
	defer root.Close()
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	in := map[string]syscall.Stat_t{} // what was removed, by the directory that it was in
	for _, p := range names {
		info, err := root.Lstat(p)
		if err != nil {
			continue
		}
		st := *info.Sys().(*syscall.Stat_t)
		if !s.untouched(root, p, st, in) {
			continue
		}
		// A directory that something was put into stays.
		if err := root.Remove(p); err == nil {
			in[path.Dir(p)] = st
		} else if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("removing mount points: %w", err)
		}
	}
	return nil
}

// untouched says whether what is at p is a stub still. in holds what was one in each
// directory: the sandbox made both, so they have one owner.
func (s Stubs) untouched(root *os.Root, p string, st syscall.Stat_t, in map[string]syscall.Stat_t) bool {
	if was, ok := s.copied[p]; ok {
		return tree.IsDir(st.Mode) && st.Mode == was.Mode && st.Uid == was.Uid && st.Gid == was.Gid && !opaque(root, p)
	}
	if slices.Contains(s.points, p) { // something was mounted on it, so that nobody could change it
		return tree.IsDir(st.Mode) || tree.IsReg(st.Mode) && st.Size == 0
	}
	made, ok := in[p]
	return ok && tree.IsDir(st.Mode) && st.Mode&0o7777 == 0o755 && st.Uid == made.Uid && st.Gid == made.Gid
}

// opaque says whether a directory replaces the one that was there, which the command
// removed then.
func opaque(root *os.Root, p string) bool {
	dir, err := root.Open(p)
	if err != nil {
		return true
	}
	defer dir.Close()
	is, err := whiteout.IsOpaque(int(dir.Fd()))
	return is || err != nil
}
