package solve

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"cove/builder/buildctx"
	"cove/builder/cache"
	"cove/builder/command"
	"cove/errdefs"
	"cove/internal/process"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
)

// What a step opens it closes when it is done, whatever became of it: the files
// of results, the snapshot that it changes, its mounts and temporary directories.

// files are the files of a result, to be read. The tree of an empty one is nil.
type files struct {
	*buildctx.Tree
	mounted *overlay.Mounted
}

// open shows a result's files.
func (s *solver) open(ctx context.Context, r *result) (*files, error) {
	if r == nil || r.chain == "" {
		return &files{}, nil
	}
	if err := s.materialize(ctx, r); err != nil {
		return nil, err
	}
	m, err := s.Snapshots.Mounts(ctx, string(r.chain))
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
	return &files{Tree: t, mounted: mounted}, nil
}

// Close closes the tree and takes its mount away.
func (f *files) Close() error {
	if f.Tree == nil {
		return nil
	}
	return errors.Join(f.Tree.Close(), f.mounted.Close())
}

// openInputs shows the files of a task's inputs, in their order.
func (s *solver) openInputs(ctx context.Context, t *task) (trees []*buildctx.Tree, opened *command.Closers, err error) {
	opened = &command.Closers{}
	for _, in := range t.inputs {
		f, err := s.open(ctx, in.res)
		if err != nil {
			return nil, nil, errors.Join(err, opened.Close())
		}
		opened.Add(f.Close)
		trees = append(trees, f.Tree)
	}
	return trees, opened, nil
}

// active is a snapshot that a step changes.
type active struct {
	s   *solver
	key string
	mount.Mount
}

// activate makes an active snapshot on top of parent.
func (s *solver) activate(ctx context.Context, parent *result) (*active, error) {
	if err := s.materialize(ctx, parent); err != nil {
		return nil, err
	}
	key := "build/" + rand.Text()
	if err := s.Lease.Add(ctx, cache.SnapshotRef(key)); err != nil {
		return nil, err
	}
	chain := ""
	if parent != nil {
		chain = string(parent.chain)
	}
	m, err := s.Snapshots.Prepare(ctx, key, chain)
	if err != nil {
		return nil, err
	}
	return &active{s: s, key: key, Mount: m}, nil
}

// commit makes the snapshot a result's, under its chainID.
func (a *active) commit(ctx context.Context, r *result) error {
	err := a.s.Snapshots.Commit(ctx, string(r.chain), a.key)
	if errors.Is(err, errdefs.ErrExists) {
		err = nil // the same layer on the same parent, made before or by someone else
	}
	if err == nil {
		r.ready.done = true
	}
	return err
}

// Close removes what was not committed, also when the build was interrupted.
func (a *active) Close() error {
	err := a.s.Snapshots.Remove(context.Background(), a.key)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// temp makes a directory that the caller removes.
func (s *solver) temp() (string, error) {
	dir := filepath.Join(s.State, "tmp", process.Tag()+"-"+rand.Text())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	return dir, nil
}
