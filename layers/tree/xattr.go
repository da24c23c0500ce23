package tree

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// Ships reports whether an extended attribute belongs to an image. Those of
// the overlay filesystem and its userspace twins are instructions to whoever
// mounts the layer, and an image that could set them could redirect lookups;
// labels (SELinux, IMA) are the host's policy and not the image's.
func Ships(name string) bool {
	switch {
	case strings.HasPrefix(name, "user."):
		return !strings.HasPrefix(name, "user.overlay.") &&
			!strings.HasPrefix(name, "user.fuseoverlayfs.") &&
			!strings.HasPrefix(name, "user.containers.")
	case name == "security.capability",
		name == "system.posix_acl_access", name == "system.posix_acl_default":
		return true
	}
	return false
}

// ListXattrs returns the names of the extended attributes of the open file
// fd. A filesystem that knows none has none.
func ListXattrs(fd int) ([]string, error) {
	return list(func(b []byte) (int, error) { return unix.Flistxattr(fd, b) })
}

// GetXattr returns one extended attribute of the open file fd; ENODATA when
// it has no such one.
func GetXattr(fd int, name string) ([]byte, error) {
	return grow(func(b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) })
}

// SetXattr sets an extended attribute of name in dir, not following it; "" is
// dir itself.
func SetXattr(dir int, name, attr string, value []byte) error {
	if name == "" {
		return unix.Fsetxattr(dir, attr, value, 0)
	}
	return unix.Lsetxattr(procPath(dir, name), attr, value, 0)
}

func list(call func([]byte) (int, error)) ([]string, error) {
	buf, err := grow(call)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil || len(buf) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(buf), "\x00"), "\x00"), nil
}

// grow calls with a small buffer first: most answers are empty.
func grow(call func([]byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 8 {
		buf := make([]byte, size)
		n, err := call(buf)
		if errors.Is(err, unix.ERANGE) && size < 1<<20 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}
