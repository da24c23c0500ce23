package history

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
)

// Bin is where deleted manifests are had from, and what goes there. All is required.
type Bin struct {
	Registry distribution.Registry // of which manifests are deleted, and where they come back to
	DB       *metadata.DB
	Bytes    content.BlobStore
	Grace    func() time.Duration // how long what is deleted can be had back
}

// Restore has tags name a manifest of the repository, which may have been deleted
// within the grace: then it is pushed again from the bytes that are still stored,
// with what an index lists before it. What the collector has taken is
// errdefs.ErrNotFound.
func (b *Bin) Restore(ctx context.Context, repo string, dgst digest.Digest, tags ...string) error {
	return b.restore(ctx, metadata.CanonicalName(repo), dgst, tags, 0)
}

// deepest is how far indexes are followed into each other.
const deepest = 8

func (b *Bin) restore(ctx context.Context, repo string, dgst digest.Digest, tags []string, depth int) error {
	m, err := b.deletedOrNot(ctx, repo, dgst)
	if err != nil {
		return err
	}
	_, err = b.Registry.PutManifest(ctx, repo, m, tags...)
	var missing *distribution.MissingError
	if !errors.As(err, &missing) || depth == deepest {
		return err
	}
	for _, child := range missing.Digests {
		if b.restore(ctx, repo, child, nil, depth+1) != nil {
			return errdefs.Errorf(errdefs.ErrNotFound, "manifest %s of %s needs %s, which is collected: %w", dgst, repo,
				child, err)
		}
	}
	_, err = b.Registry.PutManifest(ctx, repo, m, tags...)
	return err
}

func (b *Bin) deletedOrNot(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	m, err := b.Registry.GetManifest(ctx, repo, dgst)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return m, err
	}
	gone, err := deletedManifest(ctx, b.DB.Querier(), repo, dgst)
	if err != nil {
		return m, err
	}
	m.Descriptor = ocispec.Descriptor{MediaType: gone.MediaType, Digest: dgst, Size: gone.Size}
	m.Body, err = content.ReadBlob(ctx, b.Bytes, m.Descriptor)
	return m, err
}

// DeleteRepository deletes all that a repository holds, indexes before what they
// list. It tells how many manifests that were.
func (b *Bin) DeleteRepository(ctx context.Context, repo string) (deleted int, err error) {
	repo = metadata.CanonicalName(repo)
	id, err := b.DB.Repository(ctx, repo)
	if err != nil {
		return 0, err
	}
	const batch = 500
	for {
		free, err := unlistedManifests(ctx, b.DB.Querier(), id, batch)
		if err != nil || len(free) == 0 {
			return deleted, err
		}
		for _, dgst := range free {
			if err := b.Registry.DeleteManifest(ctx, repo, dgst); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				return deleted, err
			}
			deleted++
		}
	}
}
