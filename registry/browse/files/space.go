package files

import (
	"archive/tar"
	"cmp"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Lost is a file whose bytes a layer holds and nobody sees, as a layer above it has
// replaced it or, when Removed says so, taken it away.
type Lost struct {
	Path    string
	Size    int64
	Layer   digest.Digest // that holds it
	By      digest.Digest // that hides it
	Removed bool
}

// Space is what takes the room in an image, in bytes of files that are not packed.
type Space struct {
	Files     int
	Bytes     int64 // of all files that are seen
	LostFiles int
	LostBytes int64
	Largest   []Entry // files, the largest first
	Lost      []Lost  // likewise
}

// Space tells the files that take the most, of each kind at most most.
func (t *Tree) Space(most int) Space {
	s := Space{Bytes: t.root.below, LostFiles: len(t.lost)}
	for _, l := range t.lost {
		s.LostBytes += l.Size
	}
	s.Lost = slices.Clone(t.lost)
	slices.SortStableFunc(s.Lost, func(a, b Lost) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Path, b.Path))
	})
	s.Lost = s.Lost[:min(len(s.Lost), most)]
	l := largest{most: most}
	l.walk(t.root, "")
	l.shrink()
	s.Files, s.Largest = l.files, l.all
	return s
}

type largest struct {
	most, files int
	all         []Entry
}

func (l *largest) walk(n *node, at string) {
	for name, child := range n.children {
		below := path.Join(at, name)
		if child.header.kind != tar.TypeReg {
			l.walk(child, below)
			continue
		}
		l.files++
		if l.all = append(l.all, child.entry(below)); len(l.all) >= 8*l.most {
			l.shrink()
		}
	}
}

// shrink forgets all but the largest.
func (l *largest) shrink() {
	slices.SortFunc(l.all, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Path, b.Path))
	})
	l.all = l.all[:min(len(l.all), l.most)]
}

// lose keeps that a file of a layer is hidden by another one. What a layer writes twice is
// no work of a layer above.
func (t *Tree) lose(n *node, at string, by digest.Digest, removed bool) {
	if n.header.kind == tar.TypeReg && n.header.size > 0 && n.layer != "" && n.layer != by {
		t.lost = append(t.lost, Lost{at, n.header.size, n.layer, by, removed})
	}
}

// loseBelow keeps that all files below a directory are taken away.
func (t *Tree) loseBelow(n *node, at string, by digest.Digest) {
	for name, child := range n.children {
		below := path.Join(at, name)
		t.lose(child, below, by, true)
		t.loseBelow(child, below, by)
	}
}
