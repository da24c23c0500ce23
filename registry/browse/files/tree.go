package files

import (
	"archive/tar"
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// maxNodes bounds the tree of an image: names may lie below many directories that
// have no entry of their own.
const maxNodes = 400_000

// Entry is a file, a directory or a link.
type Entry struct {
	Name, Path string
	Link       string // what a link names; "" for anything else
	Directory  bool
	Regular    bool
	Removed    bool // a deletion of what lower layers have; in the view of one layer
	Mode       string
	UID, GID   int
	Size       int64
	Below      int64         // of all files in a directory
	Layer      digest.Digest // that holds it; "" for a directory that no layer lists
}

// Tree is all that a layer or an image holds.
type Tree struct {
	// Cut says that there is more than was read.
	Cut   bool
	root  *node
	nodes int
	lost  []Lost // in the tree of an image
}

type node struct {
	header   header
	layer    digest.Digest
	removed  bool
	children map[string]*node
	below    int64
}

func (n *node) directory() bool { return n.header.kind == tar.TypeDir }

func newTree() *Tree {
	return &Tree{root: &node{header: header{kind: tar.TypeDir, mode: 0o755}}, nodes: 1}
}

// add lays a layer over what is there: first what it takes away, which are parts
// of the layers below only, then what it brings (image-spec layer.md). raw keeps
// what it takes away as entries of their own.
func (t *Tree) add(dgst digest.Digest, x *index, raw bool) {
	t.Cut = t.Cut || x.cut
	for _, h := range x.headers {
		if target, opaque, is := h.hides(); is && !raw {
			t.hide(dgst, target, opaque)
		}
	}
	for _, h := range x.headers {
		target, opaque, is := h.hides()
		switch {
		case !is:
			t.put(dgst, h)
		case raw && target != "" && !opaque:
			h.name, h.size = target, 0
			if n := t.put(dgst, h); n != nil {
				n.removed = true
			}
		}
	}
}

// hide removes a path, or, when it is opaque, all below it.
func (t *Tree) hide(by digest.Digest, target string, opaque bool) {
	if target == "" {
		if opaque {
			t.loseBelow(t.root, "", by)
			t.root.children = nil
		}
		return
	}
	parent := t.find(path.Dir(target))
	if parent == nil {
		return
	}
	n := parent.children[path.Base(target)]
	switch {
	case n == nil:
	case opaque:
		t.loseBelow(n, target, by)
		n.children = nil
	default:
		t.loseBelow(n, target, by)
		t.lose(n, target, by, true)
		delete(parent.children, path.Base(target))
	}
}

// put adds an entry, and the directories above it that are not there. It returns
// nil when the tree is full.
func (t *Tree) put(dgst digest.Digest, h header) *node {
	if h.name == "" {
		return nil // the root has no row
	}
	n := t.root
	for rest := h.name; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		child := n.children[name]
		if child == nil || rest != "" && !child.directory() {
			if t.nodes >= maxNodes {
				t.Cut = true
				return nil
			}
			if child != nil { // a file gives way to a directory that no layer lists
				at := strings.TrimSuffix(strings.TrimSuffix(h.name, rest), "/")
				t.lose(child, at, dgst, false)
			}
			t.nodes++
			child = &node{header: header{kind: tar.TypeDir, mode: 0o755}}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[name] = child
		}
		n = child
	}
	t.lose(n, h.name, dgst, false)
	n.header, n.layer, n.removed = h, dgst, false
	if !n.directory() && n.children != nil {
		t.loseBelow(n, h.name, dgst)
		n.children = nil
	}
	return n
}

// find is the node of a path; nil if there is none.
func (t *Tree) find(name string) *node {
	n := t.root
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." {
			continue
		}
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// sum adds up what is below each directory.
func (n *node) sum() int64 {
	if !n.directory() {
		return n.header.size
	}
	n.below = 0
	for _, child := range n.children {
		n.below += child.sum()
	}
	return n.below
}

// Find is the entry of a path; false if there is none. The root is "".
func (t *Tree) Find(name string) (Entry, bool) {
	n := t.find(name)
	if n == nil {
		return Entry{}, false
	}
	return n.entry(name), true
}

// List lists a directory: directories first, then by name, at most most; cut says
// that there are more.
func (t *Tree) List(dir string, most int) (entries []Entry, cut bool) {
	n := t.find(dir)
	if n == nil {
		return nil, false
	}
	for name, child := range n.children {
		entries = append(entries, child.entry(path.Join(dir, name)))
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		if a.Directory != b.Directory {
			if a.Directory {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	if len(entries) > most {
		return entries[:most], true
	}
	return entries, false
}

func (n *node) entry(name string) Entry {
	h := n.header
	return Entry{
		Name: path.Base(name), Path: name, Link: h.link, Directory: n.directory() && !n.removed, Removed: n.removed,
		Regular: h.kind == tar.TypeReg && !n.removed, UID: h.uid, GID: h.gid, Size: h.size, Below: n.below,
		Layer: n.layer, Mode: mode(h),
	}
}

// mode is what ls shows of an entry.
func mode(h header) string {
	kind, ok := kinds[h.kind]
	if !ok {
		kind = '-'
	}
	text := []byte{kind}
	for shift := 6; shift >= 0; shift -= 3 {
		for i, letter := range []byte("rwx") {
			if h.mode>>shift&(4>>i) == 0 {
				letter = '-'
			}
			text = append(text, letter)
		}
	}
	for i, special := range []struct {
		bit           int64
		with, without byte // the right to execute
	}{{0o4000, 's', 'S'}, {0o2000, 's', 'S'}, {0o1000, 't', 'T'}} {
		at := 3 * (i + 1)
		switch {
		case h.mode&special.bit == 0:
		case text[at] == 'x':
			text[at] = special.with
		default:
			text[at] = special.without
		}
	}
	return string(text)
}

var kinds = map[byte]byte{
	tar.TypeDir: 'd', tar.TypeSymlink: 'l', tar.TypeChar: 'c', tar.TypeBlock: 'b', tar.TypeFifo: 'p',
}
