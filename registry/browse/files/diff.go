package files

import (
	"archive/tar"
	"maps"
	"path"
	"slices"
)

// Change is a path at which two trees differ: Before is nil of what is new, After of what
// is gone. A directory that is new or gone stands for all below it.
type Change struct {
	Path          string
	Before, After *Entry
	Content       bool // of a file that is in both: its bytes differ
}

// Diff lists in what another tree differs from this one, by path, at most most of it; cut
// says that there is more. Times of files are no difference.
func (t *Tree) Diff(other *Tree, most int) (all []Change, cut bool) {
	d := differ{most: most}
	d.compare("", t.root, other.root)
	return d.all, d.cut
}

type differ struct {
	all  []Change
	most int
	cut  bool
}

func (d *differ) add(c Change) {
	if len(d.all) == d.most {
		d.cut = true
		return
	}
	d.all = append(d.all, c)
}

// compare looks at a path that is in both.
func (d *differ) compare(at string, was, is *node) {
	if d.cut {
		return
	}
	if content := was.content() != is.content(); at != "" && (content || !was.header.alike(is.header)) {
		before, after := was.entry(at), is.entry(at)
		d.add(Change{at, &before, &after, content})
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(was.children)), maps.Keys(is.children))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		below := path.Join(at, name)
		before, after := was.children[name], is.children[name]
		switch {
		case before == nil:
			e := after.entry(below)
			d.add(Change{Path: below, After: &e})
		case after == nil:
			e := before.entry(below)
			d.add(Change{Path: below, Before: &e})
		default:
			d.compare(below, before, after)
		}
	}
}

// content stands for what is in a file.
func (n *node) content() uint64 {
	if n.header.kind != tar.TypeReg {
		return 0
	}
	return n.header.sum
}

// alike says that two entries are the same but for their bytes and, of a directory that no
// layer lists, their owner.
func (h header) alike(o header) bool {
	return h.kind == o.kind && h.mode == o.mode && h.uid == o.uid && h.gid == o.gid && h.link == o.link &&
		(h.kind == tar.TypeDir || h.size == o.size)
}
