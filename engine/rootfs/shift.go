package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/tree"
)

// shiftedDir is beside the directory that a root is written to, and goes with it.
const shiftedDir = "shifted"

// Shift gives a new container's root the owners of its user namespace where the kernel
// maps none, which is without root: what is below the directory that is written to
// becomes one copy, whose owners are changed. What the namespace has no id for becomes
// its root's.
func Shift(ctx context.Context, m *mount.Mount) error {
	if m.Type != "overlay" {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"a user namespace of the container's own, without root, needs overlays, which this kernel or filesystem has not")
	}
	ids, dir := m.IDMap, filepath.Join(filepath.Dir(m.Upper), shiftedDir)
	rootUID, rootGID, _ := ids.Outside(0, 0)
	owners := func(uid, gid uint32) (uint32, uint32) {
		if outUID, outGID, ok := ids.Outside(uid, gid); ok {
			return outUID, outGID
		}
		return rootUID, rootGID
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	plain := *m
	plain.IDMap = mount.IDMap{}
	err := With(ctx, plain, func(root int) error {
		from, err := tree.OpenDir(root, ".")
		if err != nil {
			return err
		}
		defer unix.Close(from)
		to, err := tree.Open(dir)
		if err != nil {
			return err
		}
		defer unix.Close(to)
		return tree.CopyAs(from, to, owners)
	})
	if err != nil {
		err = fmt.Errorf("copying the image for the container's user namespace: %w", err)
		return errors.Join(err, os.RemoveAll(dir))
	}
	m.Lower, m.Shifted = []string{dir}, true
	return os.Chown(m.Upper, int(rootUID), int(rootGID))
}
