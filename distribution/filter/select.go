package filter

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
)

// Select shows only the repositories for which shown is true. The others are
// not there: reading is errdefs.ErrNotFound with distribution.ErrNoRepository,
// and so is writing, so that nobody learns that a hidden one exists.
func Select(r distribution.Registry, shown func(repo string) bool) distribution.Registry {
	return &selected{all: r, shown: shown}
}

type selected struct {
	all   distribution.Registry
	shown func(repo string) bool
}

func (r *selected) in(repo string) error {
	if r.shown(repo) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "%s: %w", repo, distribution.ErrNoRepository)
}

// within calls do unless repo is hidden.
func within[T any](r *selected, repo string, do func() (T, error)) (T, error) {
	if err := r.in(repo); err != nil {
		var none T
		return none, err
	}
	return do()
}

func (r *selected) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	return within(r, repo, func() (ocispec.Descriptor, error) { return r.all.StatBlob(ctx, repo, dgst) })
}

func (r *selected) OpenBlob(ctx context.Context, repo string, dgst digest.Digest) (content.Reader, error) {
	return within(r, repo, func() (content.Reader, error) { return r.all.OpenBlob(ctx, repo, dgst) })
}

func (r *selected) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	return within(r, repo, func() (distribution.Upload, error) { return r.all.StartUpload(ctx, repo) })
}

func (r *selected) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	return within(r, repo, func() (distribution.Upload, error) { return r.all.ResumeUpload(ctx, repo, id) })
}

// MountBlob does not mount from a hidden repository, nor, since it could be one,
// from "any".
func (r *selected) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) (ocispec.Descriptor, error) {
	if from == "" || !r.shown(from) {
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrNotFound,
			"blob %s: not in a repository that can be seen", dgst)
	}
	return within(r, repo, func() (ocispec.Descriptor, error) { return r.all.MountBlob(ctx, repo, from, dgst) })
}

func (r *selected) StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	return within(r, repo, func() (ocispec.Descriptor, error) { return r.all.StatManifest(ctx, repo, dgst) })
}

func (r *selected) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	return within(r, repo, func() (distribution.Manifest, error) { return r.all.GetManifest(ctx, repo, dgst) })
}

func (r *selected) StatTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	return within(r, repo, func() (ocispec.Descriptor, error) { return r.all.StatTag(ctx, repo, tag) })
}

func (r *selected) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	return within(r, repo, func() (distribution.Manifest, error) { return r.all.GetTag(ctx, repo, tag) })
}

func (r *selected) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	return within(r, repo, func() (digest.Digest, error) { return r.all.PutManifest(ctx, repo, m, tags...) })
}

func (r *selected) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := r.in(repo); err != nil {
		return err
	}
	return r.all.DeleteBlob(ctx, repo, dgst)
}

func (r *selected) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := r.in(repo); err != nil {
		return err
	}
	return r.all.DeleteManifest(ctx, repo, dgst)
}

func (r *selected) DeleteTag(ctx context.Context, repo, tag string) error {
	if err := r.in(repo); err != nil {
		return err
	}
	return r.all.DeleteTag(ctx, repo, tag)
}

// Repositories asks on until the page is full of repositories that are shown.
func (r *selected) Repositories(ctx context.Context, p distribution.Page) (repos []string, more bool, err error) {
	for {
		got, more, err := r.all.Repositories(ctx, p)
		if err != nil {
			return nil, false, err
		}
		for i, repo := range got {
			p.Last = repo
			if !r.shown(repo) {
				continue
			}
			repos = append(repos, repo)
			if len(repos) == p.N {
				// What is left may all be hidden; then the next page is empty.
				return repos, more || i < len(got)-1, nil
			}
		}
		if !more {
			return repos, false, nil
		}
	}
}

func (r *selected) Tags(ctx context.Context, repo string, p distribution.Page) ([]string, bool, error) {
	if err := r.in(repo); err != nil {
		return nil, false, err
	}
	return r.all.Tags(ctx, repo, p)
}

func (r *selected) Referrers(
	ctx context.Context, repo string, q distribution.ReferrersQuery,
) ([]ocispec.Descriptor, bool, error) {
	if err := r.in(repo); err != nil {
		return nil, false, err
	}
	return r.all.Referrers(ctx, repo, q)
}
