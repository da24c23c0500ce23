package copier

import (
	"archive/tar"
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"cove/builder/buildctx"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/archive"
	"cove/layers/whiteout"
)

// Target is what a selection is written into.
type Target struct {
	// Root is the root filesystem that is copied into, nil for an empty one.
	Root *buildctx.Tree
	// Epoch, if not nil, is the time of all that is copied
	// (SOURCE_DATE_EPOCH). Otherwise a file keeps the time it has where it
	// comes from.
	Epoch *time.Time
	// Now is the time of what comes from nowhere: directories that are missing
	// on the way, and documents in the Dockerfile itself.
	Now time.Time
}

// item is one entry of the layer.
type item struct {
	name string
	hdr  *tar.Header
	part part
	pick pick
}

// Layout is a selection with its place in a root filesystem: the layer, ready
// to be written, more than once if need be.
type Layout struct {
	epoch *time.Time // nil: everything has its own time
	now   time.Time
	runs  [][]item // sorted, each run after the archives before it
	place *placer
	under *buildctx.Tree // of a linked copy: what it will lie upon
	sel   *Selection
	op    plan.Placement
	owner *Owner
	mode  *plan.ModeChange
	base  string
	into  bool // base is a directory

	items map[string]int   // of the current run
	links map[string][]int // of it, the hard links by what they are links to
	run   []item
	after []archiveItem
}

// archiveItem is an archive to unpack, after the run with its number.
type archiveItem struct {
	run  int
	part part
}

// Place decides where everything goes. Its errors name the path.
func (s *Selection) Place(op plan.Placement, to Target) (*Layout, error) {
	l := &Layout{
		epoch: to.Epoch, now: to.Now.UTC().Truncate(time.Second), place: newPlacer(to.Root), sel: s, op: op,
		items: map[string]int{}, links: map[string][]int{},
	}
	if op.Link {
		l.place.dest, l.under = nil, to.Root
	}
	if op.Chmod != "" {
		m, err := plan.ParseMode(op.Chmod)
		if err != nil {
			return nil, err
		}
		l.mode = &m
	}
	if op.Chown != "" {
		o, err := LookupOwner("--chown="+op.Chown, op.Chown, l.place.dest)
		if err != nil {
			return nil, err
		}
		l.owner = &o
	}
	if err := l.destination(); err != nil {
		return nil, err
	}
	for _, p := range s.parts {
		if err := l.addPart(p); err != nil {
			return nil, err
		}
	}
	l.flush()
	return l, nil
}

// destination resolves Dest and decides whether it is a directory.
func (l *Layout) destination() error {
	op := l.op
	if err := whiteout.Within(op.Dest); err != nil {
		return err
	}
	real, err := l.place.resolve(op.Dest)
	if err != nil {
		return err
	}
	at, err := l.place.look(real)
	if err != nil {
		return err
	}
	l.base = real
	files := 0
	l.into = op.DestDir || at.typ == tar.TypeDir || isDir(l.under, real)
	for _, p := range l.sel.parts {
		if p.dir {
			l.into = true
		} else {
			files++
		}
	}
	if files > 1 && !l.into {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"%d files are copied: the destination must be a directory that exists, or end with a slash: %s/", files, op.Dest)
	}
	if l.into && at.typ != 0 && at.typ != tar.TypeDir {
		return errdefs.Errorf(errdefs.ErrInvalid, "the destination %s is a file and not a directory", op.Dest)
	}
	if len(l.sel.parts) == 0 {
		return nil // patterns that matched nothing make nothing
	}
	need := real
	// A directory whose contents are copied makes the destination itself, with
	// its own mode, when it comes first.
	if first := l.sel.parts[0]; !l.into || first.dir && len(first.picks) > 0 && first.picks[0].rel == "" {
		need = parent(real)
	}
	return l.addDirs(need)
}

// addDirs makes the directories down to real that are missing.
func (l *Layout) addDirs(real string) error {
	missing, err := l.place.missingDirs(real)
	if err != nil {
		return err
	}
	for _, dir := range missing {
		if isDir(l.under, dir) {
			l.place.record(dir, thing{typ: tar.TypeDir})
			continue
		}
		h := l.made(&tar.Header{Typeflag: tar.TypeDir, Mode: rootMode})
		if len(l.sel.parts) > 0 && l.sel.parts[0].archive != nil {
			h.Mode = rootMode // --chmod is for what is copied, as BuildKit has it
		}
		l.put(item{name: dir, hdr: h})
	}
	return nil
}

// isDir says whether real is a directory of the tree, itself and all above it no
// links.
func isDir(t *buildctx.Tree, real string) bool {
	if t == nil {
		return false
	}
	e, err := t.Lstat(real)
	return err == nil && e != nil && e.IsDir()
}

// Under tells what a linked copy to dest depends on in the filesystem that it
// will lie upon, "" for an empty one: which of the directories on the way are
// there. Those are left out of the layer, since they would get its owner and
// mode: /etc that of a file in it, /tmp one that nobody can write to.
func Under(root *buildctx.Tree, dest string) string {
	var state []byte
	at := ""
	for name := range strings.SplitSeq(strings.Trim(path.Clean("/"+dest), "/"), "/") {
		at = path.Join(at, name)
		if !isDir(root, at) {
			break
		}
		state = append(append(state, '/'), name...)
	}
	return string(state)
}

func (l *Layout) addPart(p part) error {
	if p.archive != nil {
		l.flush()
		l.after = append(l.after, archiveItem{run: len(l.runs), part: p})
		return nil
	}
	links := map[string]string{} // rel → name in the layer, for hard links
	for _, pk := range p.picks {
		name := l.base
		if l.into {
			name = path.Join(l.base, pk.rel)
		}
		h := p.header(pk)
		if pk.rel == "" {
			if err := l.addTop(p, pk, h); err != nil {
				return err
			}
			continue
		}
		real, skip, err := l.check(name, h.Typeflag)
		if err != nil {
			return err
		}
		links[pk.rel] = real
		if skip {
			continue
		}
		if pk.link != "" {
			h.Linkname = links[pk.link]
		}
		l.adjust(h)
		l.put(item{name: real, hdr: h, part: p, pick: pk})
	}
	return nil
}

// addTop makes the directory that a copied directory becomes, unless there is
// one: then that keeps its mode and owner.
func (l *Layout) addTop(p part, pk pick, h *tar.Header) error {
	at, err := l.place.look(l.base)
	if err != nil || at.typ == tar.TypeDir || isDir(l.under, l.base) {
		return err
	}
	if err := l.addDirs(parent(l.base)); err != nil {
		return err
	}
	l.put(item{name: l.base, hdr: l.made(h), part: p, pick: pk})
	return nil
}

// made applies --chown, and a --chmod that is a number, to a directory on the way, as
// BuildKit does; words are for what is copied.
func (l *Layout) made(h *tar.Header) *tar.Header {
	if l.owner != nil {
		h.Uid, h.Gid = l.owner.UID, l.owner.GID
	}
	if l.mode != nil && l.mode.Absolute() {
		h.Mode = int64(l.mode.Apply(0, true))
	}
	return h
}

// check resolves where an entry goes and whether it may go there. A directory
// that is a symbolic link to one stays a link: what is in the source goes where
// the link leads.
func (l *Layout) check(name string, typ byte) (real string, skip bool, err error) {
	real, at, err := l.place.place(name)
	if err != nil {
		return "", false, err
	}
	if at.typ == 0 {
		return real, false, nil
	}
	if typ == tar.TypeDir {
		if at.typ == tar.TypeSymlink {
			target, err := l.place.resolve(real)
			if err != nil {
				return "", false, err
			}
			there, err := l.place.look(target)
			if err != nil {
				return "", false, err
			}
			if there.typ == tar.TypeDir {
				return target, true, nil
			}
		}
		if at.typ != tar.TypeDir {
			return "", false, errdefs.Errorf(errdefs.ErrInvalid, "cannot copy the directory %s: a file is there",
				"/"+real)
		}
		return real, false, nil
	}
	if at.typ == tar.TypeDir {
		return "", false, errdefs.Errorf(errdefs.ErrInvalid, "cannot copy a file to /%s: a directory is there", real)
	}
	return real, false, nil
}

// adjust applies --chown and --chmod.
func (l *Layout) adjust(h *tar.Header) {
	if l.owner != nil {
		h.Uid, h.Gid = l.owner.UID, l.owner.GID
	}
	if l.mode != nil && h.Typeflag != tar.TypeSymlink {
		h.Mode = int64(l.mode.Apply(uint32(h.Mode), h.Typeflag == tar.TypeDir))
	}
}

// timeOf is the time that an entry gets whose own is t, if it has one.
func (l *Layout) timeOf(t time.Time) time.Time {
	switch {
	case l.epoch != nil:
		return *l.epoch
	case t.IsZero():
		return l.now
	}
	return t
}

// put adds an entry to the current run; a later one of the same name wins.
func (l *Layout) put(it item) {
	it.hdr.Name = it.name
	it.hdr.ModTime = l.timeOf(it.hdr.ModTime)
	if it.hdr.Typeflag == tar.TypeDir {
		it.hdr.Name += "/"
	}
	l.place.record(it.name, thing{typ: regular(it.hdr.Typeflag), link: it.hdr.Linkname})
	i, ok := l.items[it.name]
	if ok {
		was := l.run[i]
		l.run[i] = it
		l.relink(was)
	} else {
		i = len(l.run)
		l.items[it.name] = i
		l.run = append(l.run, it)
	}
	if it.hdr.Typeflag == tar.TypeLink {
		l.links[it.hdr.Linkname] = append(l.links[it.hdr.Linkname], i)
	}
}

// relink makes the first of the names that were links to a replaced file that file.
func (l *Layout) relink(was item) {
	var names []int
	for _, i := range l.links[was.name] {
		if h := l.run[i].hdr; h.Typeflag == tar.TypeLink && h.Linkname == was.name {
			names = append(names, i)
		}
	}
	delete(l.links, was.name)
	if len(names) == 0 {
		return
	}
	first := slices.MinFunc(names, func(a, b int) int { return buildctx.ComparePaths(l.run[a].name, l.run[b].name) })
	name := l.run[first].name
	was.name, was.hdr.Name = name, name
	l.run[first] = was
	for _, i := range names {
		if i != first {
			l.run[i].hdr.Linkname = name
			l.links[name] = append(l.links[name], i)
		}
	}
}

// regular is what a hard link is, once it is made.
func regular(typ byte) byte {
	if typ == tar.TypeLink {
		return tar.TypeReg
	}
	return typ
}

// flush ends the current run.
func (l *Layout) flush() {
	slices.SortFunc(l.run, func(a, b item) int { return buildctx.ComparePaths(a.name, b.name) })
	l.runs = append(l.runs, l.run)
	l.run, l.items, l.links = nil, map[string]int{}, map[string][]int{}
}

// Empty says that there is nothing to write.
func (l *Layout) Empty() bool {
	for _, r := range l.runs {
		if len(r) > 0 {
			return false
		}
	}
	return len(l.after) == 0
}

// Unpacks says that the layout unpacks archives, which only their extraction can
// tell to be sound.
func (l *Layout) Unpacks() bool { return len(l.after) > 0 }

// Write writes the layer's entries. It may be called more than once, also at
// the same time, and writes the same each time.
func (l *Layout) Write(ctx context.Context, w *archive.Writer) error {
	archives := l.after
	place := l.place.clone()
	for i, run := range l.runs {
		for len(archives) > 0 && archives[0].run == i {
			if err := l.unpack(ctx, w, archives[0].part, place); err != nil {
				return err
			}
			archives = archives[1:]
		}
		for _, it := range run {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.writeItem(w, it); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Layout) writeItem(w *archive.Writer, it item) error {
	h := *it.hdr
	switch {
	case h.Typeflag != tar.TypeReg:
		return w.Add(&h, nil)
	case it.pick.inline != nil:
		return w.Add(&h, strings.NewReader(*it.pick.inline))
	}
	return it.part.tree.Read(it.pick.entry, func(r io.Reader) error { return w.Add(&h, r) })
}
