package keys

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"cove/layers/snapshot"
	"cove/layers/tree"
)

// usage counts what is in the directory dir, each file once.
func usage(ctx context.Context, dir string) (snapshot.Usage, error) {
	fd, err := tree.Open(dir)
	if err != nil {
		return snapshot.Usage{}, err
	}
	defer unix.Close(fd)
	c := counter{seen: map[[2]uint64]bool{}}
	err = c.dir(ctx, fd)
	return c.sum, err
}

type counter struct {
	sum  snapshot.Usage
	seen map[[2]uint64]bool
}

func (c *counter) dir(ctx context.Context, fd int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := tree.Names(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		st, err := tree.Stat(fd, name)
		if errors.Is(err, unix.ENOENT) {
			continue // a container may be running in it
		}
		if err != nil {
			return err
		}
		if id := [2]uint64{st.Dev, st.Ino}; st.Nlink > 1 && !tree.IsDir(st.Mode) {
			if c.seen[id] {
				continue
			}
			c.seen[id] = true
		}
		c.sum.Bytes += st.Blocks * 512
		c.sum.Inodes++
		if !tree.IsDir(st.Mode) {
			continue
		}
		if err := c.sub(ctx, fd, name); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func (c *counter) sub(ctx context.Context, fd int, name string) error {
	sub, err := tree.OpenDir(fd, name)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	return c.dir(ctx, sub)
}
