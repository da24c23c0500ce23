package diff

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"cove/layers/archive"
	"cove/layers/mount"
	"cove/layers/tree"
)

// treeWalk walks two trees side by side and writes what the newer one changed.
type treeWalk struct {
	w   *archive.Writer
	opt Options
	// above are the directories from the top down to where the walk is. One is
	// written when it or something in it changed, as an overlay copies up the
	// parents of what changes.
	above []parent
	// links are, in the older and the newer tree, all names of each file that
	// has several. When they changed, each is written, so that the layer holds
	// the whole group: not everyone can link to a file of a lower layer.
	links [2]map[string]string
	buf   [2][]byte
}

type parent struct {
	fd      int
	name    string
	written bool
}

func writeTrees(ctx context.Context, w io.Writer, m mount.Mount, opt Options) (fileBytes int64, err error) {
	older, err := tree.Open(m.Lower[0])
	if err != nil {
		return 0, err
	}
	defer unix.Close(older)
	newer, err := tree.Open(m.Source)
	if err != nil {
		return 0, err
	}
	defer unix.Close(newer)
	walk := &treeWalk{
		w: archive.NewWriter(w, opt.pack()), opt: opt,
		buf: [2][]byte{make([]byte, 128<<10), make([]byte, 128<<10)},
	}
	for i, fd := range []int{older, newer} {
		if walk.links[i], err = linkGroups(ctx, fd); err != nil {
			return 0, err
		}
	}
	if err := walk.dir(ctx, older, newer, ""); err != nil {
		return 0, err
	}
	return walk.w.FileBytes(), walk.w.Close()
}

// dir compares two open directories, both called name.
func (t *treeWalk) dir(ctx context.Context, older, newer int, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	was, err := tree.Names(older)
	if err != nil {
		return &fs.PathError{Op: "read directory", Path: name, Err: err}
	}
	is, err := tree.Names(newer)
	if err != nil {
		return &fs.PathError{Op: "read directory", Path: name, Err: err}
	}
	all := append(was, is...)
	slices.Sort(all)
	for _, base := range slices.Compact(all) {
		child := path.Join(name, base)
		if t.opt.Skip != nil && t.opt.Skip(child) {
			continue
		}
		if err := t.entry(ctx, older, newer, child); err != nil {
			return err
		}
	}
	return nil
}

func (t *treeWalk) entry(ctx context.Context, older, newer int, name string) error {
	dir, base := path.Dir(name), path.Base(name)
	was, err := tree.Stat(older, base)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	added := err != nil
	is, err := tree.Stat(newer, base)
	switch {
	case errors.Is(err, unix.ENOENT):
		return t.changed(func() error { return writeWhiteout(t.w, dir, base) })
	case err != nil:
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	case added || was.Mode&unix.S_IFMT != is.Mode&unix.S_IFMT:
		return t.changed(func() error { return t.w.Tree(ctx, newer, base, name) })
	case tree.IsDir(is.Mode):
		return t.both(ctx, older, newer, base, name)
	}
	same := t.links[0][name] == t.links[1][name]
	if same {
		same, err = t.same(older, newer, base, &was, &is)
	}
	if err != nil {
		return &fs.PathError{Op: "compare", Path: name, Err: err}
	}
	if same {
		return nil
	}
	return t.changed(func() error { return t.w.Node(newer, base, name, &is) })
}

// changed writes the directories above, as far as they are not yet, and then
// what write writes.
func (t *treeWalk) changed(write func() error) error {
	for i := range t.above {
		p := &t.above[i]
		if p.written {
			continue
		}
		p.written = true
		if err := t.w.Dir(p.fd, p.name); err != nil {
			return err
		}
	}
	return write()
}

// both goes into a directory that both trees have.
func (t *treeWalk) both(ctx context.Context, older, newer int, base, name string) error {
	was, err := tree.OpenDir(older, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(was)
	is, err := tree.OpenDir(newer, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(is)
	same, err := sameMeta(was, is)
	if err != nil {
		return &fs.PathError{Op: "compare", Path: name, Err: err}
	}
	t.above = append(t.above, parent{fd: is, name: name})
	defer func() { t.above = t.above[:len(t.above)-1] }()
	if !same {
		if err := t.changed(func() error { return nil }); err != nil {
			return err
		}
	}
	return t.dir(ctx, was, is, name)
}

// same compares two files of one type that are no directories, down to their
// bytes: an equal time and size are no proof of equal content.
func (t *treeWalk) same(older, newer int, base string, was, is *unix.Stat_t) (bool, error) {
	if !sameStat(was, is) || was.Rdev != is.Rdev {
		return false, nil
	}
	switch {
	case tree.IsLink(is.Mode):
		a, err := tree.ReadLink(older, base)
		if err != nil {
			return false, err
		}
		b, err := tree.ReadLink(newer, base)
		return a == b, err
	case !tree.IsReg(is.Mode):
		return true, nil
	}
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	a, err := unix.Openat(older, base, flags, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(a)
	b, err := unix.Openat(newer, base, flags, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(b)
	same, err := sameMeta(a, b)
	if err != nil || !same {
		return false, err
	}
	return t.sameBytes(a, b, is.Size)
}

func (t *treeWalk) sameBytes(a, b int, size int64) (bool, error) {
	for off := int64(0); off < size; {
		want := int(min(size-off, int64(len(t.buf[0]))))
		n, err := readAt(a, t.buf[0][:want], off)
		if err != nil {
			return false, err
		}
		m, err := readAt(b, t.buf[1][:want], off)
		if err != nil || n != m || n == 0 || !bytes.Equal(t.buf[0][:n], t.buf[1][:m]) {
			return false, err
		}
		off += int64(n)
	}
	return true, nil
}

func readAt(fd int, buf []byte, off int64) (n int, err error) {
	for n < len(buf) {
		m, err := unix.Pread(fd, buf[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

func sameStat(a, b *unix.Stat_t) bool {
	return a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid && a.Mtim == b.Mtim &&
		(tree.IsDir(a.Mode) || a.Size == b.Size)
}

// sameMeta compares two open files but for their content.
func sameMeta(a, b int) (bool, error) {
	was, err := tree.Fstat(a)
	if err != nil {
		return false, err
	}
	is, err := tree.Fstat(b)
	if err != nil || !sameStat(&was, &is) {
		return false, err
	}
	x, err := shipping(a)
	if err != nil {
		return false, err
	}
	y, err := shipping(b)
	return maps.Equal(x, y), err
}

// shipping returns the extended attributes of an open file that belong to an
// image.
func shipping(fd int) (map[string]string, error) {
	names, err := tree.ListXattrs(fd)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	attrs := map[string]string{}
	for _, name := range names {
		if !tree.Ships(name) {
			continue
		}
		value, err := tree.GetXattr(fd, name)
		if err != nil {
			return nil, err
		}
		attrs[name] = string(value)
	}
	return attrs, nil
}
