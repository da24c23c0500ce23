// Package native keeps snapshots as plain directories, each a full copy of its
// parent, for where no overlay can be mounted: without root, or when the state
// root is itself on an overlay. It costs space and time, and nothing else.
package native

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/keys"
	"cove/layers/tree"
)

// Store is the copying snapshotter on one root directory.
type Store struct {
	keys.Shared
	keys *keys.Store
}

var (
	_ snapshot.Snapshotter = (*Store)(nil)
	_ snapshot.Keeper      = (*Store)(nil)
)

// New returns the store on root, which is made if missing.
func New(root string) (*Store, error) {
	k, err := keys.Open(root)
	if err != nil {
		return nil, err
	}
	return &Store{Shared: k.Shared(), keys: k}, nil
}

// Prepare implements snapshot.Snapshotter. The mount is a bind of a copy; its
// Lower is the parent's directory, so that diff knows what to compare with.
func (s *Store) Prepare(ctx context.Context, key, parent string) (mount.Mount, error) {
	e, err := s.keys.Add(key, parent, snapshot.Active, keys.FilesDir)
	if err != nil {
		return mount.Mount{}, err
	}
	// The record is there, so the parent cannot go while it is copied.
	if err := s.copyParent(e); err != nil {
		return mount.Mount{}, errors.Join(err, s.keys.Remove(key))
	}
	return s.mount(e)
}

func (s *Store) copyParent(e keys.Entry) error {
	if e.Parent == "" {
		return nil
	}
	p, err := s.keys.Get(e.Parent)
	if err != nil {
		return err
	}
	src, err := tree.Open(s.keys.Files(p))
	if err != nil {
		return err
	}
	defer unix.Close(src)
	dst, err := tree.Open(s.keys.Files(e))
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	if err := tree.Copy(src, dst); err != nil {
		return fmt.Errorf("snapshot %q: copying %q: %w", e.Key, e.Parent, err)
	}
	return nil
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
	m := mount.Mount{Type: "bind", Source: s.keys.Files(e), ReadOnly: e.Kind != snapshot.Active}
	if e.Parent == "" || e.Kind == snapshot.Committed {
		return m, nil
	}
	p, err := s.keys.Get(e.Parent)
	if err != nil {
		return mount.Mount{}, err
	}
	if e.Kind == snapshot.View {
		m.Source = s.keys.Files(p)
	} else {
		m.Lower = []string{s.keys.Files(p)}
	}
	return m, nil
}

// Commit implements snapshot.Snapshotter.
func (s *Store) Commit(_ context.Context, name, key string) error {
	_, err := s.keys.Commit(name, key, nil)
	return err
}

// Mounts implements snapshot.Snapshotter.
func (s *Store) Mounts(_ context.Context, key string) (mount.Mount, error) {
	e, err := s.keys.Get(key)
	if err != nil {
		return mount.Mount{}, err
	}
	return s.mount(e)
}
