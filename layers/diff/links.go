package diff

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

type inode struct{ dev, ino uint64 }

// linkGroups returns, for each name of a file that has several in the tree at
// the open directory fd, all of them in one string.
func linkGroups(ctx context.Context, fd int) (map[string]string, error) {
	groups := map[inode][]string{}
	if err := findLinks(ctx, fd, "", groups); err != nil {
		return nil, err
	}
	byName := map[string]string{}
	for _, names := range groups {
		slices.Sort(names)
		all := strings.Join(names, "\x00")
		for _, name := range names {
			byName[name] = all
		}
	}
	return byName, nil
}

func findLinks(ctx context.Context, fd int, dir string, groups map[inode][]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := tree.Names(fd)
	if err != nil {
		return &fs.PathError{Op: "read directory", Path: dir, Err: err}
	}
	for _, base := range names {
		name := path.Join(dir, base)
		st, err := tree.Stat(fd, base)
		if err != nil {
			return &fs.PathError{Op: "stat", Path: name, Err: err}
		}
		switch {
		case tree.IsDir(st.Mode):
			if err := findLinksIn(ctx, fd, base, name, groups); err != nil {
				return err
			}
		case st.Nlink > 1:
			id := inode{st.Dev, st.Ino}
			groups[id] = append(groups[id], name)
		}
	}
	return nil
}

func findLinksIn(ctx context.Context, dir int, base, name string, groups map[inode][]string) error {
	fd, err := tree.OpenDir(dir, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return findLinks(ctx, fd, name, groups)
}
