package solve

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"cove/builder/buildctx"
	"cove/builder/command"
	"cove/builder/solve/opened"
	"cove/errdefs"
	"cove/internal/process"
)

// open shows a result's files.
func (s *solver) open(ctx context.Context, r *result) (*opened.Files, error) {
	if r == nil {
		return &opened.Files{}, nil
	}
	if err := s.materialize(ctx, r); err != nil {
		return nil, err
	}
	return opened.Open(ctx, s.Snapshots, string(r.chain))
}

// openInputs shows the files of a task's inputs, in their order.
func (s *solver) openInputs(ctx context.Context, t *task) (trees []*buildctx.Tree, all *command.Closers, err error) {
	all = &command.Closers{}
	for _, in := range t.inputs {
		f, err := s.open(ctx, in.res)
		if err != nil {
			return nil, nil, errors.Join(err, all.Close())
		}
		all.Add(f.Close)
		trees = append(trees, f.Tree)
	}
	return trees, all, nil
}

// activate makes an active snapshot on top of parent.
func (s *solver) activate(ctx context.Context, parent *result) (*opened.Active, error) {
	if parent == nil {
		return opened.Activate(ctx, s.Snapshots, s.Lease, "")
	}
	if err := s.materialize(ctx, parent); err != nil {
		return nil, err
	}
	return opened.Activate(ctx, s.Snapshots, s.Lease, string(parent.chain))
}

// commit makes a snapshot a result's, under its chainID.
func commit(ctx context.Context, snap *opened.Active, r *result) error {
	err := snap.Commit(ctx, string(r.chain))
	if err == nil {
		r.ready.done = true
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
