package filter

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/errdefs"
)

// Immutable keeps the tags for which fixed is true where they are: once such a
// tag names a manifest it is neither moved nor deleted, and the manifest is not
// deleted either. Pushing the same manifest again is no change. What is refused
// is errdefs.ErrConflict and names the tag.
//
// One push of a new tag waits for another of the same; between processes it is
// the registry below that must decide.
func Immutable(r distribution.Registry, fixed func(repo, tag string) bool) distribution.Registry {
	return &immutable{Registry: r, fixed: fixed}
}

type immutable struct {
	distribution.Registry
	fixed func(repo, tag string) bool

	mu sync.Mutex // held from the look at the tags to the change
}

func (r *immutable) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	var guarded bool
	for _, tag := range tags {
		guarded = guarded || r.fixed(repo, tag)
	}
	if !guarded {
		return r.Registry.PutManifest(ctx, repo, m, tags...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tag := range tags {
		if err := r.mayMove(ctx, repo, tag, m.Descriptor.Digest); err != nil {
			return "", err
		}
	}
	return r.Registry.PutManifest(ctx, repo, m, tags...)
}

func (r *immutable) mayMove(ctx context.Context, repo, tag string, to digest.Digest) error {
	if !r.fixed(repo, tag) {
		return nil
	}
	at, err := r.StatTag(ctx, repo, tag)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return nil
	case err != nil:
		return err
	case at.Digest != to:
		return errdefs.Errorf(errdefs.ErrConflict, "tag %s:%s is immutable and names %s", repo, tag, at.Digest)
	}
	return nil
}

func (r *immutable) DeleteTag(ctx context.Context, repo, tag string) error {
	if r.fixed(repo, tag) {
		return errdefs.Errorf(errdefs.ErrConflict, "tag %s:%s is immutable", repo, tag)
	}
	return r.Registry.DeleteTag(ctx, repo, tag)
}

func (r *immutable) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for page := (distribution.Page{}); ; {
		tags, more, err := r.Tags(ctx, repo, page)
		if err != nil {
			return err
		}
		for _, tag := range tags {
			page.Last = tag
			if !r.fixed(repo, tag) {
				continue
			}
			if at, err := r.StatTag(ctx, repo, tag); err == nil && at.Digest == dgst {
				return errdefs.Errorf(errdefs.ErrConflict,
					"manifest %s of %s: the tag %s, which is immutable, names it", dgst, repo, tag)
			}
		}
		if !more {
			return r.Registry.DeleteManifest(ctx, repo, dgst)
		}
	}
}
