package whiteout

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

// Lowers looks up what an overlay of read-only directories shows, without
// mounting it.
type Lowers struct{ fds []int } // topmost first

// OpenLowers opens the directories dirs, topmost first. Close it.
func OpenLowers(dirs []string) (*Lowers, error) {
	l := &Lowers{}
	for _, dir := range dirs {
		fd, err := tree.Open(dir)
		if err != nil {
			l.Close()
			return nil, err
		}
		l.fds = append(l.fds, fd)
	}
	return l, nil
}

// Close closes the directories.
func (l *Lowers) Close() {
	for _, fd := range l.fds {
		unix.Close(fd)
	}
	l.fds = nil
}

// Lookup finds base in the directory called path, which is resolved: none of
// its components is a symbolic link. It returns the open directory that holds
// base, to be closed, and base's description; ENOENT when it is hidden or not
// there.
func (l *Lowers) Lookup(path, base string) (dir int, st unix.Stat_t, err error) {
	for _, fd := range l.fds {
		dir, last, err := descend(fd, path)
		if err == nil {
			st, err = tree.Stat(dir, base)
			if err == nil && !Is(&st) {
				return dir, st, nil
			}
			unix.Close(dir)
			if err == nil {
				break // a whiteout
			}
		}
		// What is no directory here hides the directories further down.
		if last || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			break
		}
		if !errors.Is(err, unix.ENOENT) {
			return -1, unix.Stat_t{}, err
		}
	}
	return -1, unix.Stat_t{}, unix.ENOENT
}

// descend opens the directory path below the open directory root; last says
// that an opaque directory on the way ends the search in lower layers.
func descend(root int, path string) (fd int, last bool, err error) {
	fd, err = unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil || path == "" {
		return fd, false, err
	}
	for comp := range strings.SplitSeq(path, "/") {
		next, err := tree.OpenDir(fd, comp)
		unix.Close(fd)
		if err != nil {
			return -1, last, err
		}
		fd = next
		opaque, err := IsOpaque(fd)
		if err != nil {
			unix.Close(fd)
			return -1, last, err
		}
		last = last || opaque
	}
	return fd, last, nil
}

// Root returns the names that the merged top directory shows.
func (l *Lowers) Root() (map[string]bool, error) { return l.Names("") }

// Names returns the names that the merged directory called path has, those that are hidden
// with false; none where it is not there. Of path the same holds as of Lookup's.
func (l *Lowers) Names(path string) (map[string]bool, error) {
	shown := map[string]bool{}
	for _, fd := range l.fds {
		dir, last, err := descend(fd, path)
		if err == nil {
			err = addNames(shown, dir)
			unix.Close(dir)
		}
		if last || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			break // as in Lookup
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
	}
	return shown, nil
}

// addNames adds those of one layer's directory that no layer above has.
func addNames(shown map[string]bool, dir int) error {
	names, err := tree.Names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, known := shown[name]; known {
			continue
		}
		st, err := tree.Stat(dir, name)
		if err != nil {
			return err
		}
		shown[name] = !Is(&st)
	}
	return nil
}
