package apply

import (
	"archive/tar"
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"cove/layers/archive"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// upper applies to the upper directory of an overlay, which holds nothing but
// this layer.
type upper struct {
	to    Target
	x     func() *archive.Extractor
	below []string
	view  *whiteout.Lowers // Dir and below, as the overlay would show them

	hideTop bool // the top directory is opaque
}

func (u *upper) hooks() archive.Hooks {
	return archive.Hooks{Fill: u.fill, Missing: u.missing, Made: u.made}
}

func (u *upper) close() {
	if u.view != nil {
		u.view.Close()
	}
}

// look opens what is below, which may have to wait for other layers.
func (u *upper) look(ctx context.Context) error {
	if u.view != nil {
		return nil
	}
	if u.to.Lower != nil {
		below, err := u.to.Lower(ctx)
		if err != nil {
			return err
		}
		u.below = below
	}
	view, err := whiteout.OpenLowers(append([]string{u.to.Dir}, u.below...))
	u.view = view
	return err
}

func (u *upper) whiteout(_ context.Context, name string) error {
	if u.to.Lower == nil {
		return nil
	}
	dir := u.x().At().Dir()
	st, err := tree.Stat(dir, name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return whiteout.Make(dir, name)
	case err != nil:
		return err
	case tree.IsDir(st.Mode):
		// The directory is this layer's own; only what is below goes.
		return whiteout.MakeOpaque(dir, name, u.to.UserXattr)
	}
	return nil
}

func (u *upper) opaque(context.Context) error {
	at := u.x().At()
	switch {
	case u.to.Lower == nil:
		return nil
	case at.Path() == "":
		// The kernel does not look at the top directory's attribute.
		u.hideTop = true
		return nil
	}
	return whiteout.MakeOpaque(at.Dir(), "", u.to.UserXattr)
}

func (u *upper) finish(ctx context.Context) error {
	if !u.hideTop {
		return nil
	}
	if err := u.look(ctx); err != nil {
		return err
	}
	lowers, err := whiteout.OpenLowers(u.below)
	if err != nil {
		return err
	}
	defer lowers.Close()
	names, err := lowers.Root()
	if err != nil {
		return err
	}
	at := u.x().At()
	if err := at.Enter(ctx, ""); err != nil {
		return err
	}
	at.Touch()
	for name, shown := range names {
		if !shown {
			continue
		}
		if err := u.whiteout(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// made hides a lower directory from a new one that is not its successor:
// something that was no directory came between.
func (u *upper) made(at *tree.Cursor, base string, hdr *tar.Header, replaced bool) error {
	if !replaced || hdr.Typeflag != tar.TypeDir || u.to.Lower == nil {
		return nil
	}
	return whiteout.MakeOpaque(at.Dir(), base, u.to.UserXattr)
}

// fill makes a parent directory that the layer leaves out: as it is below, if
// it is there.
func (u *upper) fill(ctx context.Context, dir int, path, base string, st *unix.Stat_t) (string, error) {
	if st != nil {
		if !whiteout.Is(st) {
			return "", unix.ENOTDIR
		}
		if err := unix.Unlinkat(dir, base, 0); err != nil {
			return "", err
		}
		if _, err := archive.MakeParent(ctx, dir, path, base, nil); err != nil {
			return "", err
		}
		return "", whiteout.MakeOpaque(dir, base, u.to.UserXattr)
	}
	if u.to.Lower == nil {
		return archive.MakeParent(ctx, dir, path, base, nil)
	}
	if err := u.look(ctx); err != nil {
		return "", err
	}
	src, found, err := u.view.Lookup(path, base)
	if errors.Is(err, unix.ENOENT) {
		return archive.MakeParent(ctx, dir, path, base, nil)
	}
	if err != nil {
		return "", err
	}
	defer unix.Close(src)
	switch {
	case tree.IsLink(found.Mode):
		return tree.ReadLink(src, base)
	case !tree.IsDir(found.Mode):
		return "", unix.ENOTDIR
	}
	return "", copyUpDir(src, dir, base)
}

// copyUpDir makes base in dst an empty directory like base in src.
func copyUpDir(src, dst int, base string) error {
	if err := unix.Mkdirat(dst, base, 0o700); err != nil {
		return err
	}
	from, err := tree.OpenDir(src, base)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	to, err := tree.OpenDir(dst, base)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	return tree.CopyMeta(from, to)
}

// missing copies up a file that a hard link of this layer names and that is
// only below, as the kernel does for link(2).
func (u *upper) missing(ctx context.Context, at *tree.Cursor, base string) error {
	if _, err := tree.Stat(at.Dir(), base); !errors.Is(err, unix.ENOENT) {
		return unix.ENOENT // hidden by a whiteout of this layer
	}
	if u.to.Lower == nil {
		return unix.ENOENT
	}
	if err := u.look(ctx); err != nil {
		return err
	}
	src, st, err := u.view.Lookup(at.Path(), base)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	if tree.IsDir(st.Mode) {
		return unix.EISDIR
	}
	at.Touch()
	return tree.CopyNode(src, at.Dir(), base)
}
