package tree

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// Usage is what a tree takes on disk.
type Usage struct {
	// Bytes are the allocated blocks, so that holes and hard links count once.
	Bytes int64
	// FileBytes are the lengths of the files and links, as people count.
	FileBytes int64
	// Inodes are the files, directories and links.
	Inodes int64
}

// Measure counts what is in the directory dir, each file once. It may change
// meanwhile.
func Measure(ctx context.Context, dir string) (Usage, error) {
	fd, err := Open(dir)
	if err != nil {
		return Usage{}, err
	}
	defer unix.Close(fd)
	c := counter{seen: map[[2]uint64]bool{}}
	err = c.dir(ctx, fd)
	return c.sum, err
}

type counter struct {
	sum  Usage
	seen map[[2]uint64]bool
}

func (c *counter) dir(ctx context.Context, fd int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := Names(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		st, err := Stat(fd, name)
		if errors.Is(err, unix.ENOENT) {
			continue // a container may be running in it
		}
		if err != nil {
			return err
		}
		if id := [2]uint64{st.Dev, st.Ino}; st.Nlink > 1 && !IsDir(st.Mode) {
			if c.seen[id] {
				continue
			}
			c.seen[id] = true
		}
		c.sum.Bytes += st.Blocks * 512
		c.sum.Inodes++
		if !IsDir(st.Mode) {
			c.sum.FileBytes += st.Size
			continue
		}
		if err := c.sub(ctx, fd, name); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func (c *counter) sub(ctx context.Context, fd int, name string) error {
	sub, err := OpenDir(fd, name)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	return c.dir(ctx, sub)
}
