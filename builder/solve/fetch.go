package solve

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"

	"cove/builder/buildctx"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/process"
)

// fetcher keeps what ADD downloaded until the step is done.
type fetcher struct {
	solver *solver
	trees  []*buildctx.Tree
	dirs   []string
}

func (f *fetcher) close() {
	for _, t := range f.trees {
		t.Close()
	}
	for _, d := range f.dirs {
		os.RemoveAll(d)
	}
}

// fetch downloads one URL into a tree that holds only it.
func (f *fetcher) fetch(ctx context.Context, src plan.Source) (*buildctx.Tree, error) {
	dir := filepath.Join(f.solver.State, "tmp", process.Tag()+"-"+rand.Text())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	f.dirs = append(f.dirs, dir)
	if err := fetch.File(ctx, f.solver.HTTP, dir, src); err != nil {
		return nil, err
	}
	t, err := buildctx.Open(dir, nil, nil)
	if err == nil {
		f.trees = append(f.trees, t)
	}
	return t, err
}
