package apply

import (
	"archive/tar"
	"context"
	"errors"
	"hash/maphash"
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/archive"
	"cove/layers/tree"
)

// merged applies to a directory that holds all layers below. A whiteout hides
// lower layers only, so it must not delete what this layer brought, in
// whichever order the two come.
type merged struct {
	x func() *archive.Extractor
	// own has the resolved names of this layer and their parents, hashed: a
	// layer may have millions of long ones. The seed is random, so nobody can
	// aim at a collision.
	own  map[uint64]struct{}
	seed maphash.Seed
	last string // directory whose parents are in own already
}

func newMerged(x func() *archive.Extractor) *merged {
	return &merged{x: x, own: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
}

func (m *merged) hooks() archive.Hooks         { return archive.Hooks{Made: m.made} }
func (m *merged) finish(context.Context) error { return nil }
func (m *merged) close()                       {}

func (m *merged) add(name string) { m.own[maphash.String(m.seed, name)] = struct{}{} }

func (m *merged) has(name string) bool {
	_, ok := m.own[maphash.String(m.seed, name)]
	return ok
}

func (m *merged) made(at *tree.Cursor, base string, _ *tar.Header, _ bool) error {
	if base == "" {
		return nil
	}
	name := at.Child(base)
	m.add(name)
	if dir := at.Path(); dir != m.last {
		for dir != "" {
			m.add(dir)
			dir = dir[:max(strings.LastIndexByte(dir, '/'), 0)]
		}
		m.last = at.Path()
	}
	return nil
}

func (m *merged) whiteout(_ context.Context, name string) error {
	at := m.x().At()
	return m.erase(at.Dir(), name, at.Child(name))
}

func (m *merged) opaque(context.Context) error {
	at := m.x().At()
	return m.eraseIn(at.Dir(), at.Path())
}

// erase removes base in dir, called name below the top, but what is this
// layer's own.
func (m *merged) erase(dir int, base, name string) error {
	if !m.has(name) {
		_, err := tree.Remove(dir, base)
		return err
	}
	fd, err := tree.OpenDir(dir, base)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	st, err := tree.Fstat(fd)
	if err != nil {
		return err
	}
	if err := m.eraseIn(fd, name); err != nil {
		return err
	}
	return tree.SetTimes(fd, "", st.Mtim)
}

func (m *merged) eraseIn(fd int, name string) error {
	names, err := tree.Names(fd)
	if err != nil {
		return err
	}
	for _, base := range names {
		child := base
		if name != "" {
			child = name + "/" + base
		}
		if err := m.erase(fd, base, child); err != nil {
			return err
		}
	}
	return nil
}
