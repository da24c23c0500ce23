package overlay

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// The fallbacks are tested on kernels that need none.
var (
	Classic         = classic
	DetachedClassic = detachedClassic
	Unmount         = unmount
)

// Mount mounts m, an overlay or a bind, on the directory dir, to be looked at
// from outside.
func Mount(m mount.Mount, dir string) error {
	fd, err := detached(m)
	if errors.Is(err, errors.ErrUnsupported) {
		return classic(m, dir)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: dir, Err: err}
	}
	return nil
}
