package keys

import (
	"context"
	"iter"

	"cove/errdefs"
	"cove/layers/snapshot"
	"cove/layers/tree"
)

// FilesDir is the directory of a snapshot that holds its files.
const FilesDir = "fs"

// Files is where the files of a snapshot are.
func (s *Store) Files(e Entry) string { return s.Dir(e.ID, FilesDir) }

// Shared is what snapshot.Snapshotter and snapshot.Keeper ask for that is the
// same however a snapshot comes by its parent's files. A snapshotter embeds it.
type Shared struct{ keys *Store }

// Shared returns that half of a snapshotter over s.
func (s *Store) Shared() Shared { return Shared{s} }

// Stat implements snapshot.Finder.
func (s Shared) Stat(_ context.Context, key string) (snapshot.Info, error) {
	e, err := s.keys.Get(key)
	return e.Info, err
}

// Remove implements snapshot.Snapshotter.
func (s Shared) Remove(_ context.Context, key string) error { return s.keys.Remove(key) }

// All implements snapshot.Finder.
func (s Shared) All(ctx context.Context) iter.Seq2[snapshot.Info, error] {
	return func(yield func(snapshot.Info, error) bool) {
		for e, err := range s.keys.All() {
			if cerr := ctx.Err(); cerr != nil {
				yield(snapshot.Info{}, cerr)
				return
			}
			if !yield(e.Info, err) {
				return
			}
		}
	}
}

// Usage implements snapshot.Keeper.
func (s Shared) Usage(ctx context.Context, key string) (snapshot.Usage, error) {
	e, err := s.keys.Get(key)
	if err != nil {
		return snapshot.Usage{}, err
	}
	u, err := tree.Measure(ctx, s.keys.Files(e))
	if err != nil {
		if _, gone := s.keys.Get(key); gone != nil {
			return u, gone // it was removed while it was measured
		}
		return u, errdefs.Errorf(errdefs.ErrUnavailable, "snapshot %q: usage: %w", key, err)
	}
	return u, nil
}

// Clean implements snapshot.Keeper.
func (s Shared) Clean(ctx context.Context) error { return s.keys.Clean(ctx) }

// Sync implements snapshot.Keeper.
func (s Shared) Sync() error { return s.keys.Sync() }
