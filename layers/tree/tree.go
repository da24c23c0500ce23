// Package tree works on a directory tree through descriptors.
//
// Whoever made the names in an archive or an image is not trusted, so no name
// is ever joined to a path and opened. A [Cursor] resolves one component after
// the other, each opened relative to the descriptor of its parent and never
// following a symbolic link; links are read and resolved here, with the tree's
// top as their root. The functions below it take a directory descriptor and
// one component.
package tree

import (
	"errors"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// Open opens the directory at a path of our own.
func Open(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return fd, nil
}

// OpenDir opens the directory name in dir. A symbolic link is ENOTDIR.
func OpenDir(dir int, name string) (int, error) {
	return unix.Openat(dir, name, dirFlags, 0)
}

// Stat describes name in dir, not following it.
func Stat(dir int, name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// Fstat describes an open file.
func Fstat(fd int) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st, err
}

// ReadLink returns the target of the symbolic link name in dir.
func ReadLink(dir int, name string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(dir, name, buf)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

// IsDir, IsReg and IsLink tell the type in a mode of the kernel's.
func IsDir(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFDIR }

// IsReg reports whether mode is a regular file's.
func IsReg(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFREG }

// IsLink reports whether mode is a symbolic link's.
func IsLink(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFLNK }

// Names returns the names in the open directory fd, unsorted, without "." and
// "..". It reads from the start each time.
func Names(fd int) ([]string, error) {
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return nil, err
	}
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// Remove removes name from dir and, if it is a directory, everything in it. A
// name that is not there is no error. It reports whether a directory went.
func Remove(dir int, name string) (wasDir bool, err error) {
	err = unix.Unlinkat(dir, name, 0)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return false, nil
	case !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM):
		return false, err
	}
	fd, oerr := OpenDir(dir, name)
	if errors.Is(oerr, unix.EACCES) && unix.Fchmodat(dir, name, 0o700, 0) == nil {
		fd, oerr = OpenDir(dir, name) // not root, and closed to its owner too
	}
	if oerr != nil {
		if errors.Is(oerr, unix.ENOTDIR) { // EPERM was the answer for a file
			return false, err
		}
		return false, oerr
	}
	err = Empty(fd, nil)
	unix.Close(fd)
	if err != nil {
		return true, err
	}
	return true, unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// Empty removes everything in the open directory fd, but what keep returns
// true for.
func Empty(fd int, keep func(name string) bool) error {
	names, err := Names(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if keep != nil && keep(name) {
			continue
		}
		if _, err := Remove(fd, name); err != nil {
			return &fs.PathError{Op: "remove", Path: name, Err: err}
		}
	}
	return nil
}

// SetTimes sets the modification time of name in dir, not following it; "" is
// dir itself. The access time becomes the same.
func SetTimes(dir int, name string, mtime unix.Timespec) error {
	ts := []unix.Timespec{mtime, mtime}
	if name == "" {
		return unix.UtimesNanoAt(dir, "", ts, unix.AT_EMPTY_PATH)
	}
	return unix.UtimesNanoAt(dir, name, ts, unix.AT_SYMLINK_NOFOLLOW)
}

// procPath names an entry of an open directory for the calls that have no
// descriptor form before Linux 6.13. It is safe: the descriptor is what the
// kernel starts from, and name is one component, not followed by the l* calls.
func procPath(dir int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
}
