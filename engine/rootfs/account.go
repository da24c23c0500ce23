// Package rootfs works in the root filesystem of an image or a container from
// outside. Its paths are the image's to choose, so they are resolved by the
// kernel below a descriptor and never joined.
package rootfs

import (
	"context"
	"errors"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/accounts"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
)

// Account resolves a USER, and further groups of it, in the /etc/passwd and
// /etc/group of the root filesystem m. Numbers need no entry there; names do.
func Account(ctx context.Context, m mount.Mount, name string, groups ...string) (runspec.User, error) {
	var u runspec.User
	err := With(ctx, m, func(root int) error {
		found, err := accounts.Find(root, name)
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
	var errno unix.Errno
	switch {
	case errors.As(err, &errno):
		return err // the file could not be read
	case errors.Is(err, user.ErrRange):
		return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "%w of the image", err)
}

func groupsIn(root int, names []string) ([]int, error) {
	if len(names) == 0 {
		return nil, nil
	}
	group, err := accounts.Open(root, "etc/group")
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
