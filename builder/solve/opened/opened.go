// Package opened is the files that a step of a build works on: those of results, which
// it reads, and a snapshot, which it changes. What a step opens it closes when it is
// done, whatever became of it.
package opened

import (
	"context"
	"crypto/rand"
	"errors"

	"cove/builder/buildctx"
	"cove/builder/cache"
	"cove/content"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/overlay"
)

// Files are the files of a result, to be read. The tree of an empty one is nil.
type Files struct {
	*buildctx.Tree
	mounted *overlay.Mounted
}

// Open shows the files of a committed snapshot; "" is an empty one.
func Open(ctx context.Context, in snapshot.Snapshotter, chain string) (*Files, error) {
	if chain == "" {
		return &Files{}, nil
	}
	m, err := in.Mounts(ctx, chain)
	if err != nil {
		return nil, err
	}
	mounted, err := overlay.Open(ctx, m)
	if err != nil {
		return nil, err
	}
	t, err := buildctx.Open(mounted.Dir(), nil, nil)
	if err != nil {
		return nil, errors.Join(err, mounted.Close())
	}
	t.KeepOwner = true
	return &Files{Tree: t, mounted: mounted}, nil
}

// Close closes the tree and takes its mount away.
func (f *Files) Close() error {
	if f.Tree == nil {
		return nil
	}
	return errors.Join(f.Tree.Close(), f.mounted.Close())
}

// Active is a snapshot that a step changes.
type Active struct {
	mount.Mount
	in  snapshot.Snapshotter
	key string
}

// Activate makes one on top of a committed snapshot; "" is an empty one.
func Activate(ctx context.Context, in snapshot.Snapshotter, lease content.Lease, parent string) (*Active, error) {
	key := "build/" + rand.Text()
	if err := lease.Add(ctx, cache.SnapshotRef(key)); err != nil {
		return nil, err
	}
	m, err := in.Prepare(ctx, key, parent)
	if err != nil {
		return nil, err
	}
	return &Active{in: in, key: key, Mount: m}, nil
}

// Commit keeps the snapshot under its chainID.
func (a *Active) Commit(ctx context.Context, chain string) error {
	err := a.in.Commit(ctx, chain, a.key)
	if errors.Is(err, errdefs.ErrExists) {
		return nil // the same layer on the same parent, made before or by someone else
	}
	return err
}

// Close removes what was not committed, also when the build was interrupted.
func (a *Active) Close() error {
	err := a.in.Remove(context.Background(), a.key)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}
