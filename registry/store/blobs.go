package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/span"
)

const blobType = "application/octet-stream"

func blobDescriptor(dgst digest.Digest, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: blobType, Digest: dgst, Size: size}
}

// StatBlob implements distribution.BlobReader. Whoever hears that a blob is
// there may refer to it in a manifest, so its lease is renewed, but only once
// half of it is gone: most HEADs write nothing.
func (r *Registry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	repo = metadata.CanonicalName(repo)
	b, err := r.db.Blob(ctx, repo, dgst)
	switch {
	case err != nil:
	case b.Damaged:
		err = errdefs.Errorf(errdefs.ErrNotFound, "blob %s: its stored bytes are damaged; push it again", dgst)
	default:
		err = r.present(ctx, dgst, stored{b.Size, b.Stored})
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if b.LeasedUntil.Sub(r.now()) < r.lives.Lease()/2 {
		r.pause(ctx, "stat: before renewing")
		err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			_, member, err := tx.PinBlob(ctx, b.RepositoryID, dgst)
			if err == nil && !member {
				err = errdefs.Errorf(errdefs.ErrNotFound, "repository %s has no blob %s", repo, dgst)
			}
			if err != nil {
				return err
			}
			return tx.RenewBlob(ctx, b.RepositoryID, dgst, r.now().Add(r.lives.Lease()))
		})
	}
	if errors.Is(err, errdefs.ErrExhausted) {
		err = nil // the blob is there; should it go before a manifest needs it, that push says so
	}
	return blobDescriptor(dgst, b.Size), err
}

// OpenBlob implements distribution.BlobReader.
func (r *Registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest) (content.Reader, error) {
	b, err := r.db.Blob(ctx, metadata.CanonicalName(repo), dgst)
	if err != nil {
		return nil, r.orNoRepository(ctx, repo, err)
	}
	_, end := span.Start(ctx, span.Store, "open "+dgst.String())
	rd, err := r.store.Open(ctx, blobDescriptor(dgst, b.Size))
	end(err)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "blob %s of repository %s is lost from the storage: %w", dgst,
			repo, err)
	}
	return rd, err
}

// locationLife is how long a client may begin to get a blob from where it was sent.
const locationLife = 20 * time.Minute

// LocateBlob is a URL where a client gets a blob from the storage itself; its
// errors are those of OpenBlob. The bytes are not checked on the way: clients do.
func (r *Registry) LocateBlob(ctx context.Context, repo string, dgst digest.Digest) (string, error) {
	elsewhere, ok := r.store.(content.Locator)
	if !ok {
		return "", nil
	}
	b, err := r.db.Blob(ctx, metadata.CanonicalName(repo), dgst)
	if err != nil {
		return "", r.orNoRepository(ctx, repo, err)
	}
	if b.Damaged {
		return "", nil // this server tells what is wrong
	}
	return elsewhere.URL(ctx, dgst, locationLife)
}

// mountCandidates bounds the search for a repository to mount from.
const mountCandidates = 64

// MountBlob implements distribution.BlobWriter. Whether the caller may pull
// from the source is asked here, because a no means an upload, not an error.
func (r *Registry) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) (ocispec.Descriptor, error) {
	repo = metadata.CanonicalName(repo)
	sources := []string{metadata.CanonicalName(from)}
	if from == "" {
		var err error
		if sources, err = r.db.BlobRepositories(ctx, dgst, mountCandidates); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	for _, source := range sources {
		if source != repo && !r.rights.May(ctx, distribution.Pull, source) {
			continue
		}
		desc, err := r.mount(ctx, repo, source, dgst)
		if !errors.Is(err, errdefs.ErrNotFound) {
			return desc, err
		}
	}
	return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrNotFound, "blob %s cannot be mounted from here; upload it",
		dgst)
}

func (r *Registry) mount(ctx context.Context, repo, source string, dgst digest.Digest) (ocispec.Descriptor, error) {
	b, err := r.db.Blob(ctx, source, dgst)
	if err == nil {
		err = r.present(ctx, dgst, stored{b.Size, b.Stored})
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	r.pause(ctx, "mount: before the transaction")
	var size int64
	err = r.charge(ctx, repo, func(ctx context.Context, tx *metadata.Tx) error {
		n, member, err := tx.PinBlob(ctx, b.RepositoryID, dgst)
		if err == nil && !member {
			err = errdefs.Errorf(errdefs.ErrNotFound, "repository %s has no blob %s", source, dgst)
		}
		if err != nil {
			return err
		}
		size = n
		repoID, err := tx.EnsureRepository(ctx, repo, creator(ctx))
		if err != nil {
			return err
		}
		return tx.AddBlob(ctx, repoID, dgst, r.now().Add(r.lives.Lease()))
	})
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("mounting blob %s from %s: %w", dgst, source, err)
	}
	return blobDescriptor(dgst, size), nil
}

// DeleteBlob implements distribution.Deleter: the repository forgets the blob;
// GC removes its bytes when no repository holds it.
func (r *Registry) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	repo = metadata.CanonicalName(repo)
	b, err := r.db.Blob(ctx, repo, dgst)
	if err != nil {
		return err
	}
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveBlob(ctx, b.RepositoryID, dgst); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "blob.delete", repo+"@"+dgst.String(), "")
	})
}
