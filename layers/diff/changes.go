package diff

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// Kind is what became of a name.
type Kind byte

// The kinds, in docker's letters.
const (
	Changed Kind = 'C'
	Added   Kind = 'A'
	Deleted Kind = 'D'
)

// Change is one name that a mount changed.
type Change struct {
	Kind Kind
	Name string // absolute, in the mount
}

// Changes lists what m changed, by name, without reading any file. What lies
// below a new directory is listed, what lay below one that is gone is not. m may
// be in use. skip, if not nil, leaves out names and what is below them.
func Changes(ctx context.Context, m mount.Mount, skip func(name string) bool) ([]Change, error) {
	l := &lister{skip: skip}
	var older, newer int
	var err error
	switch {
	case m.Type == "overlay" && m.Upper != "":
		if l.lowers, err = whiteout.OpenLowers(m.Lower); err != nil {
			return nil, err
		}
		defer l.lowers.Close()
		newer, err = tree.Open(m.Upper)
	case m.Type == "bind" && len(m.Lower) == 1:
		if older, err = tree.Open(m.Lower[0]); err != nil {
			return nil, err
		}
		defer unix.Close(older)
		newer, err = tree.Open(m.Source)
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"diff: a mount of type %q without a writable directory has no change", m.Type)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(newer)
	if l.lowers != nil {
		err = l.upper(ctx, newer, "")
	} else {
		err = l.both(ctx, older, newer, "")
	}
	return l.found, err
}

type lister struct {
	lowers *whiteout.Lowers
	skip   func(string) bool
	found  []Change
}

func (l *lister) add(kind Kind, name string) {
	l.found = append(l.found, Change{Kind: kind, Name: "/" + name})
}

// names are the names in open directories, sorted, each once.
func (l *lister) names(ctx context.Context, dir string, fds ...int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var all []string
	for _, fd := range fds {
		if fd < 0 {
			continue
		}
		names, err := tree.Names(fd)
		if err != nil {
			return nil, &fs.PathError{Op: "read directory", Path: dir, Err: err}
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(base string) bool {
		return l.skip != nil && l.skip(path.Join(dir, base))
	}), nil
}

// upper lists what is in the open directory fd of an overlay's upper directory.
func (l *lister) upper(ctx context.Context, fd int, dir string) error {
	names, err := l.names(ctx, dir, fd)
	if err != nil {
		return err
	}
	gone, err := l.hidden(fd, dir, names)
	if err != nil {
		return &fs.PathError{Op: "look below", Path: dir, Err: err}
	}
	names = append(names, gone...)
	slices.Sort(names)
	for _, base := range names {
		name := path.Join(dir, base)
		if slices.Contains(gone, base) {
			l.add(Deleted, name)
			continue
		}
		st, err := tree.Stat(fd, base)
		if errors.Is(err, unix.ENOENT) {
			continue // it is in use
		}
		if err != nil {
			return &fs.PathError{Op: "stat", Path: name, Err: err}
		}
		kind, err := l.kind(dir, base, &st)
		if err != nil {
			return &fs.PathError{Op: "look below", Path: name, Err: err}
		}
		l.add(kind, name)
		if !tree.IsDir(st.Mode) {
			continue
		}
		if err := l.below(fd, base, func(sub int) error { return l.upper(ctx, sub, name) }); err != nil {
			return err
		}
	}
	return nil
}

// hidden are the names that an opaque directory hides of the layers below and has not itself:
// they were removed with the directory, which was made again.
func (l *lister) hidden(fd int, dir string, names []string) (gone []string, err error) {
	opaque, err := whiteout.IsOpaque(fd)
	if err != nil || !opaque || dir == "" {
		return nil, err
	}
	older, err := l.lowers.Names(dir)
	for base, shown := range older {
		_, has := slices.BinarySearch(names, base)
		if shown && !has && (l.skip == nil || !l.skip(path.Join(dir, base))) {
			gone = append(gone, base)
		}
	}
	return gone, err
}

func (l *lister) kind(dir, base string, st *unix.Stat_t) (Kind, error) {
	if whiteout.Is(st) {
		return Deleted, nil
	}
	below, _, err := l.lowers.Lookup(dir, base)
	switch {
	case errors.Is(err, unix.ENOENT):
		return Added, nil
	case err != nil:
		return 0, err
	}
	unix.Close(below)
	return Changed, nil
}

// below calls do with the directory base of fd, if it is still there.
func (l *lister) below(fd int, base string, do func(sub int) error) error {
	sub, err := tree.OpenDir(fd, base)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	return do(sub)
}

// both compares two open directories by what stat says; older is -1 for one that
// is new.
func (l *lister) both(ctx context.Context, older, newer int, dir string) error {
	names, err := l.names(ctx, dir, older, newer)
	if err != nil {
		return err
	}
	for _, base := range names {
		name := path.Join(dir, base)
		was, added := tree.Stat(older, base)
		is, deleted := tree.Stat(newer, base)
		switch {
		case deleted != nil && added == nil:
			l.add(Deleted, name)
		case deleted != nil: // it came and went
		case added != nil:
			l.add(Added, name)
		case !sameStat(&was, &is) || was.Rdev != is.Rdev:
			l.add(Changed, name)
		}
		if deleted != nil || !tree.IsDir(is.Mode) {
			continue
		}
		err := l.below(newer, base, func(sub int) error {
			if added != nil || !tree.IsDir(was.Mode) {
				return l.both(ctx, -1, sub, name)
			}
			return l.below(older, base, func(old int) error { return l.both(ctx, old, sub, name) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}
