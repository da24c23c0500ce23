package archive

import (
	"context"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

// Pack writes the tree in dir to w as a whole archive: names sorted, hard
// links within it kept, sockets left out. The top directory itself has no
// entry.
func Pack(ctx context.Context, w io.Writer, dir string, opt PackOptions) error {
	aw := NewWriter(w, opt)
	if err := aw.Contents(ctx, dir); err != nil {
		return err
	}
	return aw.Close()
}

// Contents writes what is in the directory dir.
func (w *Writer) Contents(ctx context.Context, dir string) error {
	fd, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return packDir(ctx, w, fd, "")
}

// packDir writes what is in the open directory fd, called path.
func packDir(ctx context.Context, w *Writer, fd int, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := tree.Names(fd)
	if err != nil {
		return &fs.PathError{Op: "read directory", Path: path, Err: err}
	}
	slices.Sort(names)
	for _, base := range names {
		if err := w.Tree(ctx, fd, base, join(path, base)); err != nil {
			return err
		}
	}
	return nil
}

// Tree writes base in the open directory dir under name, and if it is a
// directory all that is in it.
func (w *Writer) Tree(ctx context.Context, dir int, base, name string) error {
	if w.opt.Skip != nil && w.opt.Skip(name) {
		return nil
	}
	st, err := tree.Stat(dir, base)
	if err != nil {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if !tree.IsDir(st.Mode) {
		return w.Node(dir, base, name, &st)
	}
	fd, err := tree.OpenDir(dir, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	if err := w.Dir(fd, name); err != nil {
		return err
	}
	return packDir(ctx, w, fd, name)
}

func join(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}
