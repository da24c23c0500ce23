package overlay

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// Supported is nil when an overlay can be mounted whose directories are below
// root, else an errdefs.ErrUnsupported that says why not; callers then use
// package native, telling the user that reason. It tries, because no list of
// filesystems and kernels stays right.
func Supported(root string) error {
	if err := probe(root); err != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "snapshots: overlay cannot be used below %s: %w", root,
			reason(root, err))
	}
	return nil
}

// reason says what an error of the kernel most likely means.
func reason(root string, err error) error {
	var st unix.Statfs_t
	switch {
	case unix.Statfs(root, &st) == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC:
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"it is itself on an overlay; put the root on a disk or a volume: %w", err)
	case errors.Is(err, unix.EPERM):
		return errdefs.Errorf(errdefs.ErrUnsupported, "mounting needs root (CAP_SYS_ADMIN): %w", err)
	case errors.Is(err, unix.ENODEV):
		return errdefs.Errorf(errdefs.ErrUnsupported, "this kernel has no overlay filesystem: %w", err)
	}
	return err
}

func probe(root string) (err error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(root, "probe-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m := mount.Mount{
		Type: "overlay", Options: Options(),
		Lower: []string{filepath.Join(dir, "l")},
		Upper: filepath.Join(dir, "u"), Work: filepath.Join(dir, "w"),
	}
	for _, d := range []string{m.Lower[0], m.Upper, m.Work} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	fd, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := whiteout.Make(fd, "x"); err != nil {
		return &os.PathError{Op: "make a whiteout", Path: dir, Err: err}
	}
	if err := whiteout.MakeOpaque(fd, "l", slices.Contains(m.Options, "userxattr")); err != nil {
		return &os.PathError{Op: "set overlay.opaque", Path: dir, Err: err}
	}
	mnt, err := detached(m)
	if errors.Is(err, errors.ErrUnsupported) {
		return probeClassic(m, filepath.Join(dir, "m"))
	}
	if err == nil {
		unix.Close(mnt)
	}
	return err
}

func probeClassic(m mount.Mount, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := classic(m, dir); err != nil {
		return err
	}
	return unmount(dir)
}
