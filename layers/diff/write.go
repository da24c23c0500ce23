package diff

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/archive"
	"cove/layers/mount"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// Write writes what m changed as an uncompressed tar, and returns how many bytes the
// files in it have.
func Write(ctx context.Context, w io.Writer, m mount.Mount, opt Options) (fileBytes int64, err error) {
	switch {
	case m.Type == "overlay" && m.Upper != "":
		return writeUpper(ctx, w, m, opt)
	case m.Type == "bind" && len(m.Lower) == 0:
		aw := archive.NewWriter(w, opt.pack())
		if err := aw.Contents(ctx, m.Source); err != nil {
			return 0, err
		}
		return aw.FileBytes(), aw.Close()
	case m.Type == "bind" && len(m.Lower) == 1:
		return writeTrees(ctx, w, m, opt)
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "diff: a mount of type %q without a writable directory has no change",
		m.Type)
}

// upperWalk walks the upper directory of an overlay.
type upperWalk struct {
	w      *archive.Writer
	opt    Options
	lowers *whiteout.Lowers
}

func writeUpper(ctx context.Context, w io.Writer, m mount.Mount, opt Options) (fileBytes int64, err error) {
	lowers, err := whiteout.OpenLowers(m.Lower)
	if err != nil {
		return 0, err
	}
	defer lowers.Close()
	fd, err := tree.Open(m.Upper)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	opt.owners = m.Owners()
	walk := &upperWalk{w: archive.NewWriter(w, opt.pack()), opt: opt, lowers: lowers}
	if err := walk.dir(ctx, fd, ""); err != nil {
		return 0, err
	}
	return walk.w.FileBytes(), walk.w.Close()
}

// dir writes what is in the open directory fd, called name.
func (u *upperWalk) dir(ctx context.Context, fd int, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := tree.Names(fd)
	if err != nil {
		return &fs.PathError{Op: "read directory", Path: name, Err: err}
	}
	slices.Sort(names)
	for _, base := range names {
		child := path.Join(name, base)
		if u.opt.Skip != nil && u.opt.Skip(child) {
			continue
		}
		if err := u.entry(ctx, fd, name, base, child); err != nil {
			return err
		}
	}
	return nil
}

func (u *upperWalk) entry(ctx context.Context, fd int, dir, base, name string) error {
	st, err := tree.Stat(fd, base)
	switch {
	case err != nil:
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	case whiteout.Is(&st):
		return writeWhiteout(u.w, dir, base)
	case !tree.IsDir(st.Mode):
		return u.w.Node(fd, base, name, &st)
	}
	sub, err := tree.OpenDir(fd, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(sub)
	if err := u.w.Dir(sub, name); err != nil {
		return err
	}
	hides, err := u.hides(sub, dir, base)
	if err != nil {
		return &fs.PathError{Op: "look below", Path: name, Err: err}
	}
	if hides {
		if err := u.w.Add(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(name, whiteout.Opaque)}, nil); err != nil {
			return err
		}
	}
	return u.dir(ctx, sub, name)
}

// hides reports whether the open directory sub is opaque and there is a
// directory below that this hides. The kernel marks every directory it makes
// in a merged one, so without the second look a layer would depend on whether
// mkdir or COPY made the directory.
func (u *upperWalk) hides(sub int, dir, base string) (bool, error) {
	opaque, err := whiteout.IsOpaque(sub)
	if err != nil || !opaque {
		return false, err
	}
	below, st, err := u.lowers.Lookup(dir, base)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	unix.Close(below)
	return tree.IsDir(st.Mode), nil
}

func writeWhiteout(w *archive.Writer, dir, base string) error {
	return w.Add(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(dir, whiteout.Prefix+base)}, nil)
}
