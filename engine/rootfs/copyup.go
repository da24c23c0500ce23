package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"cove/internal/inroot"
	"cove/layers/archive"
	"cove/layers/mount"
)

// CopyUp fills the directory of a new volume with what the image has at
// target: the files, and the owner and mode of the directory itself.
func CopyUp(ctx context.Context, root mount.Mount, target, dir string) error {
	return With(ctx, root, func(base int) error {
		fd, err := inroot.Open(base, target, unix.OpenHow{
			Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return nil // the image has no such directory
		}
		if err != nil {
			return fmt.Errorf("opening %s of the image: %w", target, err)
		}
		src := os.NewFile(uintptr(fd), target)
		defer src.Close()
		if err := sameOwner(src, dir); err != nil {
			return err
		}
		return copyTree(ctx, src, dir)
	})
}

func sameOwner(src *os.File, dir string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	return errors.Join(os.Lchown(dir, int(st.Uid), int(st.Gid)), unix.Chmod(dir, st.Mode&0o7777))
}

// copyTree streams a tree through tar, which keeps owners, links, devices and
// attributes.
func copyTree(ctx context.Context, src *os.File, dir string) error {
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(archive.Pack(ctx, w, fmt.Sprintf("/proc/self/fd/%d", src.Fd()), archive.PackOptions{}))
	}()
	err := archive.Extract(ctx, dir, r, archive.Options{})
	r.CloseWithError(err) // ends the packer too
	return err
}
