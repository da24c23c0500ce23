// Package overlay keeps snapshots as the layers of an overlay filesystem.
//
// A snapshot is a directory fs, which holds its own change alone, and while it
// is active a directory work, which the kernel needs. Overlays are mounted with
// redirect_dir, metacopy and index off, so that fs is the whole change and
// layers/diff can read it as it is.
package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/keys"
	"cove/layers/tree"
)

const workDir = "work"

// untouched is the modification time of a directory fs that was prepared
// without a parent and of which no layer said what it is: onto a parent, it
// takes the parent's owner and mode. An overlay shows those of the uppermost.
var untouched = unix.Timespec{Sec: 0, Nsec: 1}

// Store is the overlay snapshotter on one root directory.
type Store struct {
	keys.Shared
	keys *keys.Store
}

var (
	_ snapshot.Snapshotter = (*Store)(nil)
	_ snapshot.Store       = (*Store)(nil)
	_ snapshot.Rebaser     = (*Store)(nil)
)

// New returns the store on root, which is made if missing. Ask Supported first.
func New(root string) (*Store, error) {
	k, err := keys.Open(root)
	if err != nil {
		return nil, err
	}
	return &Store{Shared: k.Shared(), keys: k}, nil
}

// Prepare implements snapshot.Snapshotter. Without a parent the mount is a
// bind: the kernel has no overlay of one directory.
func (s *Store) Prepare(_ context.Context, key, parent string) (mount.Mount, error) {
	e, err := s.keys.Add(key, parent, snapshot.Active, keys.FilesDir, workDir)
	if err != nil {
		return mount.Mount{}, err
	}
	m, err := s.mount(e)
	if err == nil {
		err = s.setTop(e)
	}
	if err != nil {
		return mount.Mount{}, errors.Join(err, s.keys.Remove(key))
	}
	return m, nil
}

// setTop gives a new snapshot's top directory its owner, mode and times.
func (s *Store) setTop(e keys.Entry) error {
	fd, err := tree.Open(s.keys.Files(e))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if e.Parent == "" {
		return tree.SetTimes(fd, "", untouched)
	}
	p, err := s.keys.Get(e.Parent)
	if err != nil {
		return err
	}
	return s.inherit(fd, p)
}

// inherit gives the open directory fd what the top directory of p has.
func (s *Store) inherit(fd int, p keys.Entry) error {
	from, err := tree.Open(s.keys.Files(p))
	if err != nil {
		return err
	}
	defer unix.Close(from)
	return tree.CopyMeta(from, fd)
}

// View implements snapshot.Snapshotter.
func (s *Store) View(_ context.Context, key, parent string) (mount.Mount, error) {
	e, err := s.keys.Add(key, parent, snapshot.View, keys.FilesDir)
	if err != nil {
		return mount.Mount{}, err
	}
	return s.mount(e)
}

// mount describes a snapshot that has its record.
func (s *Store) mount(e keys.Entry) (mount.Mount, error) {
	below, err := s.keys.Chain(e.Parent)
	if err != nil {
		return mount.Mount{}, err
	}
	if e.Kind == snapshot.Committed {
		below = append([]keys.Entry{e}, below...)
	}
	switch {
	case len(below) == 0:
		return mount.Mount{Type: "bind", Source: s.keys.Files(e), ReadOnly: e.Kind != snapshot.Active}, nil
	case len(below) == 1 && e.Kind != snapshot.Active:
		return mount.Mount{Type: "bind", Source: s.keys.Files(below[0]), ReadOnly: true}, nil
	}
	m := mount.Mount{Type: "overlay", Options: Options(), ReadOnly: e.Kind != snapshot.Active}
	for _, b := range below {
		m.Lower = append(m.Lower, s.keys.Files(b))
	}
	if e.Kind == snapshot.Active {
		m.Upper, m.Work = s.keys.Files(e), s.keys.Dir(e.ID, workDir)
	}
	return m, nil
}

// Options are those that every overlay here is mounted with.
func Options() []string {
	if userns.RunningInUserNS() {
		// trusted.* belongs to the first namespace's root. Without it there are no
		// redirects and no metacopy, and naming them even as off is an error.
		return []string{"index=off", "userxattr"}
	}
	return []string{"redirect_dir=off", "metacopy=off", "index=off"}
}

// Commit implements snapshot.Snapshotter.
func (s *Store) Commit(_ context.Context, name, key string) error {
	e, err := s.keys.Commit(name, key, nil)
	return s.committed(e, err)
}

// CommitOnto implements snapshot.Rebaser.
func (s *Store) CommitOnto(_ context.Context, name, key, parent string) error {
	e, err := s.keys.Get(key)
	if err != nil {
		return err
	}
	if e.Parent != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "snapshot %q: it was prepared on %q and cannot be moved", key,
			e.Parent)
	}
	if parent != "" {
		p, err := s.keys.Get(parent)
		if err != nil {
			return err
		}
		if err := s.inheritTop(e, p); err != nil {
			return fmt.Errorf("snapshot %q: %w", key, err)
		}
	}
	e, err = s.keys.Commit(name, key, &parent)
	return s.committed(e, err)
}

// inheritTop makes e's top directory like p's, unless its own layer said what it is.
func (s *Store) inheritTop(e, p keys.Entry) error {
	fd, err := tree.Open(s.keys.Files(e))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	st, err := tree.Fstat(fd)
	if err != nil || st.Mtim != untouched {
		return err
	}
	return s.inherit(fd, p)
}

// committed removes what a committed snapshot needs no more.
func (s *Store) committed(e keys.Entry, err error) error {
	if err != nil {
		return err
	}
	if err := os.RemoveAll(s.keys.Dir(e.ID, workDir)); err != nil {
		return fmt.Errorf("snapshot %q: %w", e.Key, err)
	}
	return nil
}

// Mounts implements snapshot.Snapshotter.
func (s *Store) Mounts(_ context.Context, key string) (mount.Mount, error) {
	e, err := s.keys.Get(key)
	if err != nil {
		return mount.Mount{}, err
	}
	return s.mount(e)
}
