package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
)

// unmount takes a mount away. What still uses it keeps it until it is done.
func unmount(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return &os.PathError{Op: "unmount", Path: dir, Err: err}
	}
	return nil
}

// Mounted is a tree that can be reached by a path of this process.
type Mounted struct {
	dir   string
	close func() error
}

// Open makes m's tree reachable. The mount is in no one's mount table where the
// kernel can do that, so that a kill leaves nothing; the path is then below
// /proc/self/fd and means nothing to another process. Close it.
//
// Owners are those on disk: what the mount maps, it maps for the user namespace
// that the runner makes.
//
// A bind needs no mount, but for its being read-only; who may not mount is
// given the directory itself.
func Open(ctx context.Context, m mount.Mount) (*Mounted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	itself := &Mounted{dir: m.Source, close: func() error { return nil }}
	if m.Type == "bind" && !m.ReadOnly {
		return itself, nil
	}
	fd, err := detached(m)
	switch {
	case err == nil:
		return &Mounted{dir: "/proc/self/fd/" + strconv.Itoa(fd), close: func() error { return unix.Close(fd) }}, nil
	case m.Type == "bind" && (errors.Is(err, unix.EPERM) || errors.Is(err, errors.ErrUnsupported)):
		return itself, nil
	case errors.Is(err, errors.ErrUnsupported):
		return openClassic(m)
	}
	return nil, err
}

// Dir is the path of the tree, until Close. Open it with os.OpenRoot.
func (m *Mounted) Dir() string { return m.dir }

// Close takes the mount away. What was opened below it stays open.
func (m *Mounted) Close() error { return m.close() }

// With calls fn with the path of m's tree, as [Open] gives it.
func With(ctx context.Context, m mount.Mount, fn func(dir string) error) error {
	mounted, err := Open(ctx, m)
	if err != nil {
		return err
	}
	err = fn(mounted.Dir())
	return errors.Join(err, mounted.Close())
}

func openClassic(m mount.Mount) (*Mounted, error) {
	dir, err := os.MkdirTemp("", "cove-mount-")
	if err != nil {
		return nil, err
	}
	if err := classic(m, dir); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return &Mounted{dir: dir, close: func() error { return errors.Join(unmount(dir), os.Remove(dir)) }}, nil
}

// detached makes the mount without a place. It is errors.ErrUnsupported where
// the kernel has not these calls, or a filter blocks them.
func detached(m mount.Mount) (int, error) {
	switch m.Type {
	case "overlay":
		fd, err := detachedOverlay(m)
		if errors.Is(err, errors.ErrUnsupported) {
			return detachedClassic(m)
		}
		return fd, err
	case "bind":
		return detachedBind(m)
	}
	return -1, errdefs.Errorf(errdefs.ErrInvalid, "mount: unknown type %q", m.Type)
}

func detachedBind(m mount.Mount) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, unsupported(&os.PathError{Op: "open_tree", Path: m.Source, Err: err})
	}
	if m.ReadOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			unix.Close(fd)
			return -1, unsupported(&os.PathError{Op: "mount_setattr", Path: m.Source, Err: err})
		}
	}
	return fd, nil
}

func detachedOverlay(m mount.Mount) (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, unsupported(os.NewSyscallError("fsopen overlay", err))
	}
	defer unix.Close(fs)
	for _, p := range parameters(m) {
		if p.value == "" {
			err = unix.FsconfigSetFlag(fs, p.key)
		} else {
			err = unix.FsconfigSetString(fs, p.key, p.value)
		}
		if errors.Is(err, unix.EINVAL) && p.key == "lowerdir+" {
			return -1, fmt.Errorf("lowerdir+ before Linux 6.7: %w", errors.ErrUnsupported)
		}
		if err != nil {
			return -1, refused(fs, fmt.Sprintf("overlay: %s=%s", p.key, p.value), err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, refused(fs, "overlay: mounting", err)
	}
	attrs := 0
	if m.ReadOnly {
		attrs = unix.MOUNT_ATTR_RDONLY
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return -1, unsupported(os.NewSyscallError("fsmount overlay", err))
	}
	return fd, nil
}

type parameter struct{ key, value string }

func parameters(m mount.Mount) []parameter {
	var ps []parameter
	for _, opt := range m.Options {
		key, value, _ := strings.Cut(opt, "=")
		ps = append(ps, parameter{key, value})
	}
	for _, dir := range m.Lower {
		ps = append(ps, parameter{"lowerdir+", dir})
	}
	if m.Upper != "" {
		ps = append(ps, parameter{"upperdir", m.Upper}, parameter{"workdir", m.Work})
	}
	return ps
}

// refused is an error of fsconfig. Until Linux 6.5 an overlay takes any
// parameter, and gives EINVAL at the end and no reason; a value of 256 bytes or
// more has EINVAL and no reason on all. Both are no matter for mount(2).
func refused(fs int, what string, err error) error {
	reason := kernelLog(fs)
	if errors.Is(err, unix.EINVAL) && reason == "" {
		return fmt.Errorf("%s: %w: %w", what, errors.ErrUnsupported, err)
	}
	return unsupported(fmt.Errorf("%s: %w%s", what, err, reason))
}

// kernelLog returns what the kernel has to say beyond an error number.
func kernelLog(fs int) string {
	buf := make([]byte, 1024)
	n, err := unix.Read(fs, buf)
	if err != nil || n <= 2 {
		return ""
	}
	return " (" + strings.TrimSpace(string(buf[2:n])) + ")" // "e text"
}

// unsupported marks the error of a call that this kernel has not.
func unsupported(err error) error {
	if errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}
