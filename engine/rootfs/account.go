// Package rootfs works in the root filesystem of an image or a container from
// outside. Its paths are the image's to choose, so they are resolved by the
// kernel below a descriptor and never joined.
package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
)

// maxAccounts bounds /etc/passwd and /etc/group, which an image chooses.
const maxAccounts = 16 << 20

// Account resolves a USER, and further groups of it, in the /etc/passwd and
// /etc/group of the root filesystem m. Numbers need no entry there; names do.
func Account(ctx context.Context, m mount.Mount, name string, groups ...string) (runspec.User, error) {
	var u runspec.User
	err := With(ctx, m, func(root int) error {
		passwd, err := readIn(root, "etc/passwd")
		if err != nil {
			return err
		}
		defer passwd.Close()
		group, err := readIn(root, "etc/group")
		if err != nil {
			return err
		}
		defer group.Close()
		found, err := user.GetExecUser(name, &user.ExecUser{Home: "/"}, passwd, group)
		if err != nil {
			return unknown(err)
		}
		u = runspec.User{UID: uint32(found.Uid), GID: uint32(found.Gid), Home: found.Home}
		more, err := groupsIn(root, groups)
		if err != nil {
			return err
		}
		for _, g := range append(found.Sgids, more...) {
			u.Groups = append(u.Groups, uint32(g))
		}
		return nil
	})
	return u, err
}

// unknown says whose files have no such user or group, or that a number is none.
func unknown(err error) error {
	if errors.Is(err, user.ErrRange) {
		return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "%w of the image", err)
}

func groupsIn(root int, names []string) ([]int, error) {
	if len(names) == 0 {
		return nil, nil
	}
	group, err := readIn(root, "etc/group")
	if err != nil {
		return nil, err
	}
	defer group.Close()
	ids, err := user.GetAdditionalGroups(names, group)
	if err != nil {
		return nil, unknown(err)
	}
	return ids, nil
}

// With opens the tree that m mounts, privately, for the time of fn.
func With(ctx context.Context, m mount.Mount, fn func(root int) error) error {
	open := func(dir string) error {
		fd, err := Open(dir)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return fn(fd)
	}
	if m.Type == "bind" {
		return open(m.Source)
	}
	return overlay.With(ctx, m, open)
}

// readIn opens a file inside root: no link leads out of it. A file that is not
// there reads as empty. It is not os.Root because images have absolute links,
// which mean the image's own root.
func readIn(root int, name string) (io.ReadCloser, error) {
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return io.NopCloser(eof{}), nil
	case err != nil:
		return nil, fmt.Errorf("reading the image's /%s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return io.NopCloser(eof{}), err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, maxAccounts), f}, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
