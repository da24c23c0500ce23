package buildctx

import (
	"context"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Walk returns what is at e and below it, without what .dockerignore leaves
// out: parents before children, names sorted. A directory that is left out is
// there when something below it is back in. skip, if not nil, leaves out more;
// it gets the path relative to e.
func (t *Tree) Walk(ctx context.Context, e *Entry, skip func(rel string, dir bool) bool) ([]*Entry, error) {
	w := &walker{tree: t, skip: skip, slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), prefix: len(e.Path)}
	if e.Path != "" {
		w.prefix++
	}
	g, ctx := errgroup.WithContext(ctx)
	w.group, w.ctx = g, ctx
	var start matched
	if t.ignore != nil && e.Path != "" {
		start = t.ignore.match(e.Path)
	}
	top := &branch{entry: e}
	if e.IsDir() {
		g.Go(func() error { return w.dir(top, start) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return top.collect(nil, true), nil
}

// walker walks one subtree with several goroutines.
type walker struct {
	tree   *Tree
	skip   func(rel string, dir bool) bool
	group  *errgroup.Group
	ctx    context.Context //nolint:containedctx // lives for one call of Walk
	slots  chan struct{}
	prefix int
}

// branch is a walked entry: kids are what is kept below it.
type branch struct {
	entry  *Entry
	hidden bool // kept only if something below it is
	kids   []*branch
}

// dir walks one directory, handing subdirectories to other goroutines while
// there are slots.
func (w *walker) dir(b *branch, m matched) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	kids, err := w.tree.entries(b.entry)
	if err != nil {
		return err
	}
	for _, kid := range kids {
		km, keep, err := w.keep(kid, m)
		if err != nil {
			return err
		}
		if !keep {
			continue
		}
		kb := &branch{entry: kid, hidden: km.ignored}
		b.kids = append(b.kids, kb)
		if !kid.IsDir() {
			continue
		}
		select {
		case w.slots <- struct{}{}:
			w.group.Go(func() error {
				defer func() { <-w.slots }()
				return w.dir(kb, km)
			})
		default:
			if err := w.dir(kb, km); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep says whether to look at an entry at all.
func (w *walker) keep(e *Entry, parent matched) (m matched, keep bool, err error) {
	if w.skip != nil && w.skip(e.Path[w.prefix:], e.IsDir()) {
		return m, false, nil
	}
	if w.tree.ignore == nil {
		return m, true, nil
	}
	if m, err = w.tree.ignore.step(e.Path, parent); err != nil {
		return m, false, err
	}
	return m, !m.ignored || e.IsDir() && m.below, nil
}

// collect lists the branch, leaving out hidden directories that are empty.
func (b *branch) collect(out []*Entry, top bool) []*Entry {
	at := len(out)
	out = append(out, b.entry)
	for _, k := range b.kids {
		out = k.collect(out, false)
	}
	if b.hidden && !top && len(out) == at+1 {
		return out[:at]
	}
	return out
}

// ComparePaths orders paths so that a directory stands right before what is in it.
func ComparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return strings.Compare(a[i:i+1], b[i:i+1])
	}
	return len(a) - len(b)
}
