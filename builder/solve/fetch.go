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
	solver  *solver
	commits map[plan.Git]string
	trees   []*buildctx.Tree
	dirs    []string
}

func (f *fetcher) close() {
	for _, t := range f.trees {
		t.Close()
	}
	for _, d := range f.dirs {
		os.RemoveAll(d)
	}
}

// resolve asks which commits the repositories of a copy are at, without fetching
// them. It is false when a remote cannot tell.
func (f *fetcher) resolve(ctx context.Context, op *plan.Copy) (commits []string, ok bool, err error) {
	f.commits = map[plan.Git]string{}
	for _, src := range op.Sources {
		if src.Git == nil {
			continue
		}
		// The checksum is all there is to know: whether the reference is at that
		// commit is checked when it is fetched.
		commit := src.Git.Commit
		if !plan.IsCommit(commit) {
			var err error
			if commit, err = f.solver.Git.Resolve(ctx, src.Git); err != nil || commit == "" {
				return nil, false, err
			}
			f.commits[*src.Git] = commit
		}
		commits = append(commits, "commit:"+commit)
	}
	return commits, true, nil
}

// repository checks a repository out into a tree of its own, at the commit that
// was resolved.
func (f *fetcher) repository(ctx context.Context, repo plan.Git, dir string) (*buildctx.Tree, error) {
	if commit := f.commits[repo]; commit != "" {
		repo.Ref = commit
	}
	taken, err := f.solver.Git.Checkout(ctx, &repo, dir)
	if err != nil {
		return nil, err
	}
	return buildctx.Open(taken, nil, nil)
}

// fetch downloads one URL into a tree that holds only it, or a repository.
func (f *fetcher) fetch(ctx context.Context, src plan.Source) (*buildctx.Tree, error) {
	dir := filepath.Join(f.solver.State, "tmp", process.Tag()+"-"+rand.Text())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	f.dirs = append(f.dirs, dir)
	if src.Git != nil {
		t, err := f.repository(ctx, *src.Git, dir)
		if err == nil {
			f.trees = append(f.trees, t)
		}
		return t, err
	}
	if err := fetch.File(ctx, f.solver.HTTP, dir, src); err != nil {
		return nil, err
	}
	t, err := buildctx.Open(dir, nil, nil)
	if err == nil {
		f.trees = append(f.trees, t)
	}
	return t, err
}
