package fetch

import (
	"context"
	"net/http"
	"os"

	"cove/builder/buildctx"
	"cove/builder/plan"
)

// Sources keeps what one ADD downloaded until the step is done.
type Sources struct {
	HTTP *http.Client
	Git  Git
	// Temp makes a directory to download into, which Close removes.
	Temp func() (string, error)

	commits map[plan.Git]string
	trees   []*buildctx.Tree
	dirs    []string
}

// Close removes all of it.
func (f *Sources) Close() {
	for _, t := range f.trees {
		t.Close()
	}
	for _, d := range f.dirs {
		os.RemoveAll(d)
	}
}

// Resolve asks which commits the repositories of a copy are at, without fetching
// them. It is false when a remote cannot tell.
func (f *Sources) Resolve(ctx context.Context, op *plan.Copy) (commits []string, ok bool, err error) {
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
			if commit, err = f.Git.Resolve(ctx, src.Git); err != nil || commit == "" {
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
func (f *Sources) repository(ctx context.Context, repo plan.Git, dir string) (*buildctx.Tree, error) {
	if commit := f.commits[repo]; commit != "" {
		repo.Ref = commit
	}
	taken, _, err := f.Git.Checkout(ctx, &repo, dir)
	if err != nil {
		return nil, err
	}
	return buildctx.Open(taken, nil, nil)
}

// Fetch downloads one URL into a tree that holds only it, or a repository.
func (f *Sources) Fetch(ctx context.Context, src plan.Source) (*buildctx.Tree, error) {
	dir, err := f.Temp()
	if err != nil {
		return nil, err
	}
	f.dirs = append(f.dirs, dir)
	if src.Git != nil {
		t, err := f.repository(ctx, *src.Git, dir)
		if err == nil {
			f.trees = append(f.trees, t)
		}
		return t, err
	}
	if err := File(ctx, f.HTTP, dir, src, f.Git.Lock); err != nil {
		return nil, err
	}
	t, err := buildctx.Open(dir, nil, nil)
	if err == nil {
		f.trees = append(f.trees, t)
	}
	return t, err
}
