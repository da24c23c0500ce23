package host

import (
	"errors"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// ErrKind is the errdefs kind of a failed system call: that of its errno, and
// errdefs.ErrUnavailable when that says nothing of whose fault it is.
func ErrKind(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return errdefs.ErrUnavailable
	}
	switch errno {
	case unix.ENOENT, unix.ESRCH:
		return errdefs.ErrNotFound
	case unix.EPERM, unix.EACCES:
		return errdefs.ErrDenied
	case unix.EINVAL, unix.ENOTDIR, unix.ELOOP, unix.ENOEXEC, unix.ENAMETOOLONG:
		return errdefs.ErrInvalid
	case unix.ENOSYS, unix.EOPNOTSUPP:
		return errdefs.ErrUnsupported
	case unix.ENOMEM, unix.ENOSPC, unix.EMFILE, unix.ENFILE, unix.EAGAIN:
		return errdefs.ErrExhausted
	}
	return errdefs.ErrUnavailable
}
