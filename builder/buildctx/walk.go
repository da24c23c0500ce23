package buildctx

import (
	"context"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Walk returns what is at e and below it, parents before children, names sorted.
// skip, if not nil, leaves out what it is true for; it gets the path relative to
// e.
func (t *Tree) Walk(ctx context.Context, e *Entry, skip func(rel string, dir bool) bool) ([]*Entry, error) {
	w := &walker{tree: t, skip: skip, slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), prefix: len(e.Path)}
	if e.Path != "" {
		w.prefix++
	}
	g, ctx := errgroup.WithContext(ctx)
	w.group, w.ctx = g, ctx
	top := &branch{entry: e}
	if e.IsDir() {
		g.Go(func() error { return w.dir(top) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return top.collect(nil), nil
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
	entry *Entry
	kids  []*branch
}

// dir walks one directory, handing subdirectories to other goroutines while
// there are slots.
func (w *walker) dir(b *branch) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	kids, err := w.tree.entries(b.entry)
	if err != nil {
		return err
	}
	for _, kid := range kids {
		if w.skip != nil && w.skip(kid.Path[w.prefix:], kid.IsDir()) {
			continue
		}
		kb := &branch{entry: kid}
		b.kids = append(b.kids, kb)
		if !kid.IsDir() {
			continue
		}
		select {
		case w.slots <- struct{}{}:
			w.group.Go(func() error {
				defer func() { <-w.slots }()
				return w.dir(kb)
			})
		default:
			if err := w.dir(kb); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect lists the branch.
func (b *branch) collect(out []*Entry) []*Entry {
	out = append(out, b.entry)
	for _, k := range b.kids {
		out = k.collect(out)
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
