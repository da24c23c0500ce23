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
	"path"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/accounts"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
	"cove/layers/whiteout"
)

// Account resolves a USER, and further groups of it, in the /etc/passwd and
// /etc/group of the root filesystem m. Numbers need no entry there; names do.
func Account(ctx context.Context, m mount.Mount, name string, groups ...string) (u runspec.User, err error) {
	err = errNotPlain
	if m.Type == "overlay" {
		err = inLayers(m, func(open accounts.Opener) error {
			u, err = account(open, name, groups)
			return err
		})
	}
	if !errors.Is(err, errNotPlain) {
		return u, err
	}
	err = With(ctx, m, func(root int) error {
		u, err = account(accounts.In(root), name, groups)
		return err
	})
	return u, err
}

func account(open accounts.Opener, name string, groups []string) (runspec.User, error) {
	found, err := accounts.Find(open, name)
	if errors.Is(err, errNotPlain) {
		return runspec.User{}, err
	}
	if err != nil {
		return runspec.User{}, unknown(err)
	}
	u := runspec.User{UID: uint32(found.Uid), GID: uint32(found.Gid), Home: found.Home}
	more, err := groupsIn(open, groups)
	if err != nil {
		return runspec.User{}, err
	}
	for _, g := range append(found.Sgids, more...) {
		u.Groups = append(u.Groups, uint32(g))
	}
	return u, nil
}

// errNotPlain says that a path leads over a symbolic link, which only the kernel follows
// through several layers.
var errNotPlain = errors.New("not a plain file of a plain directory")

// inLayers calls fn with what opens files of an overlay in its directories: mounting it
// would take several times as long. What it opens may fail with errNotPlain.
func inLayers(m mount.Mount, fn func(accounts.Opener) error) error {
	dirs := m.Lower
	if m.Upper != "" {
		dirs = append([]string{m.Upper}, dirs...)
	}
	layers, err := whiteout.OpenLowers(dirs)
	if err != nil {
		return err
	}
	defer layers.Close()
	return fn(func(name string) (io.ReadCloser, error) {
		dir, base := path.Split(name)
		dir = strings.TrimSuffix(dir, "/")
		above, st, err := layers.Lookup("", dir)
		if err == nil {
			unix.Close(above)
			if st.Mode&unix.S_IFMT != unix.S_IFDIR {
				return nil, errNotPlain
			}
			above, st, err = layers.Lookup(dir, base)
		}
		if errors.Is(err, unix.ENOENT) {
			return accounts.Nothing(), nil
		}
		if err != nil {
			return nil, err
		}
		defer unix.Close(above)
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil, errNotPlain
		}
		fd, err := unix.Openat(above, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("reading /%s of the root filesystem: %w", name, err)
		}
		return accounts.Bounded(os.NewFile(uintptr(fd), name))
	})
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

func groupsIn(open accounts.Opener, names []string) ([]int, error) {
	if len(names) == 0 {
		return nil, nil
	}
	group, err := open("etc/group")
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
