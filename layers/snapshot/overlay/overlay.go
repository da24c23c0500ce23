// Package overlay keeps snapshots as the layers of an overlay filesystem.
package overlay

import (
	"context"
	"iter"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot"
)

// Store is the overlay snapshotter on one root directory. It implements
// snapshot.Snapshotter, snapshot.Keeper and snapshot.Rebaser.
type Store struct{ root string }

var _ snapshot.Snapshotter = (*Store)(nil)

// New returns the store on root, which is made if missing. Ask Supported first.
func New(root string) (*Store, error) { return &Store{root: root}, nil }

// Supported is nil when an overlay can be mounted whose directories are below
// root, else an errdefs.ErrUnsupported that says why not; callers then use
// package native, telling the user that reason.
func Supported(root string) error { return todo() }

func todo() error { return errdefs.Errorf(errdefs.ErrUnsupported, "overlay: not wired yet") }

// Prepare implements snapshot.Snapshotter.
func (s *Store) Prepare(ctx context.Context, key, parent string) (mount.Mount, error) {
	return mount.Mount{}, todo()
}

// View implements snapshot.Snapshotter.
func (s *Store) View(ctx context.Context, key, parent string) (mount.Mount, error) {
	return mount.Mount{}, todo()
}

// Commit implements snapshot.Snapshotter.
func (s *Store) Commit(ctx context.Context, name, key string) error { return todo() }

// Mounts implements snapshot.Snapshotter.
func (s *Store) Mounts(ctx context.Context, key string) (mount.Mount, error) {
	return mount.Mount{}, todo()
}

// Stat implements snapshot.Snapshotter.
func (s *Store) Stat(ctx context.Context, key string) (snapshot.Info, error) {
	return snapshot.Info{}, todo()
}

// Remove implements snapshot.Snapshotter.
func (s *Store) Remove(ctx context.Context, key string) error { return todo() }

// All implements snapshot.Snapshotter.
func (s *Store) All(ctx context.Context) iter.Seq2[snapshot.Info, error] {
	return func(yield func(snapshot.Info, error) bool) { yield(snapshot.Info{}, todo()) }
}

// Usage is how much disk the snapshot itself takes, without its parents.
func (s *Store) Usage(ctx context.Context, key string) (snapshot.Usage, error) {
	return snapshot.Usage{}, todo()
}

// Clean removes directories that no key refers to, as a kill leaves them. It
// may run while other processes use the store.
func (s *Store) Clean(ctx context.Context) error { return todo() }

// Sync makes everything that was written to the store durable (syncfs).
func (s *Store) Sync() error { return todo() }
