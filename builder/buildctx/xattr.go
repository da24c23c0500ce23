package buildctx

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// Shipped says whether an extended attribute is part of an image: what a
// program may do, and what users attached. The rest is of the machine (SELinux
// labels, overlay's own marks, ACLs of its users).
func Shipped(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
}

// xattrs reads the attributes of an open file that ship.
func xattrs(fd int, p string) (map[string]string, error) {
	size, err := unix.Flistxattr(fd, nil)
	if size <= 0 || err != nil {
		return nil, ignoreUnsupported(p, err)
	}
	list := make([]byte, size)
	if size, err = unix.Flistxattr(fd, list); err != nil {
		return nil, ignoreUnsupported(p, err)
	}
	var out map[string]string
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:size]), "\x00"), "\x00") {
		if !Shipped(name) {
			continue
		}
		buf := make([]byte, 64<<10) // the kernel's limit
		n, err := unix.Fgetxattr(fd, name, buf)
		if err != nil {
			return nil, fileError(p, err)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = string(buf[:n])
	}
	return out, nil
}

func ignoreUnsupported(p string, err error) error {
	if err == nil || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return fileError(p, err)
}
