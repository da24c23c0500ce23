// Package native keeps snapshots as plain directories, each a full copy of its
// parent, for where no overlay can be mounted: without root, or when the state
// root is itself on an overlay. It costs space and time, and nothing else.
package native

import (
	"context"
	"iter"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot"
)

// Store is the copying snapshotter on one root directory.
type Store struct{ root string }

var _ snapshot.Snapshotter = (*Store)(nil)

// New returns the store on root, which is made if missing.
func New(root string) (*Store, error) { return &Store{root: root}, nil }

func todo() error { return errdefs.Errorf(errdefs.ErrUnsupported, "native: not wired yet") }

// Prepare implements snapshot.Snapshotter. The mount is a bind of a copy; its
// Lower is the parent's directory, so that diff knows what to compare with.
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

// Usage is how much disk the snapshot takes.
func (s *Store) Usage(ctx context.Context, key string) (snapshot.Usage, error) {
	return snapshot.Usage{}, todo()
}

// Clean removes directories that no key refers to, as a kill leaves them.
func (s *Store) Clean(ctx context.Context) error { return todo() }

// Sync makes everything that was written to the store durable (syncfs).
func (s *Store) Sync() error { return todo() }
