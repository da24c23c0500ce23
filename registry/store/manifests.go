package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
)

// isDigest tells the two forms of a manifest's reference apart: a tag has no
// colon.
func isDigest(ref string) bool { return strings.Contains(ref, ":") }

// StatManifest implements distribution.ManifestReader. The first time it reads
// the manifest, so that one which is lost or damaged is not said to be there.
func (r *Registry) StatManifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, error) {
	desc, err := r.find(ctx, repo, ref)
	if err != nil {
		return desc, err
	}
	_, err = r.body(ctx, repo, desc)
	return desc, err
}

// find looks a manifest up in the database.
func (r *Registry) find(ctx context.Context, repo, ref string) (ocispec.Descriptor, error) {
	repo = metadata.CanonicalName(repo)
	if isDigest(ref) {
		return r.db.ManifestByDigest(ctx, repo, digest.Digest(ref))
	}
	return r.db.ManifestByTag(ctx, repo, ref)
}

// GetManifest implements distribution.ManifestReader.
func (r *Registry) GetManifest(ctx context.Context, repo, ref string) (distribution.Manifest, error) {
	desc, err := r.find(ctx, repo, ref)
	if err != nil {
		return distribution.Manifest{}, r.orNoRepository(ctx, repo, err)
	}
	body, err := r.body(ctx, repo, desc)
	return distribution.Manifest{Descriptor: desc, Body: body}, err
}

// body is a manifest's bytes, of memory or of the storage.
func (r *Registry) body(ctx context.Context, repo string, desc ocispec.Descriptor) ([]byte, error) {
	if body, ok := r.manifests.get(desc.Digest); ok {
		return body, nil
	}
	// ReadBlob hashes what it reads: rotten bytes are not served.
	body, err := content.ReadBlob(ctx, r.store, desc)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "manifest %s of repository %s: %w", desc.Digest, repo, err)
	}
	r.manifests.put(desc.Digest, body)
	return body, nil
}

// PutManifest implements distribution.ManifestWriter.
func (r *Registry) PutManifest(ctx context.Context, repo, ref string, m distribution.Manifest) (digest.Digest, error) {
	repo = metadata.CanonicalName(repo)
	meta, err := parseManifest(m)
	if err != nil {
		return "", err
	}
	dgst := m.Descriptor.Digest
	if isDigest(ref) && ref != dgst.String() {
		return "", errdefs.Errorf(errdefs.ErrCorrupt, "manifest: its digest is %s, it was pushed as %s", dgst, ref)
	}
	unlock, err := r.db.LockDigest(ctx, dgst)
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := r.keepManifest(ctx, m); err != nil {
		return "", err
	}
	r.pause(ctx, "manifest: bytes durable")
	err = r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return r.record(ctx, tx, repo, ref, meta)
	})
	if err != nil {
		r.disown(ctx, dgst)
		return "", err
	}
	return meta.Subject, nil
}

// missing lists what m needs and the repository lacks, or has and the storage has
// lost: the client pushes both.
func (r *Registry) missing(ctx context.Context, tx *metadata.Tx, repoID int64, m metadata.Manifest) ([]digest.Digest, error) {
	missing, err := tx.Missing(ctx, repoID, m)
	if err != nil {
		return nil, err
	}
	for _, dgst := range m.Blobs {
		if err := r.present(ctx, dgst); errors.Is(err, errdefs.ErrNotFound) {
			missing = append(missing, dgst)
		} else if err != nil {
			return nil, err
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

// keepManifest makes a manifest's bytes durable, unless the database says that
// they are. The digest is locked.
func (r *Registry) keepManifest(ctx context.Context, m distribution.Manifest) error {
	if owned, err := r.db.Owned(ctx, m.Descriptor.Digest); err != nil {
		return err
	} else if owned {
		if _, err := r.store.Stat(ctx, m.Descriptor.Digest); err == nil {
			return nil
		} else if !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
	}
	_, err := content.WriteBytes(ctx, r.store, m.Descriptor, m.Body)
	return err
}

// record is the one transaction of a manifest's push: it finds every
// blob and child in the repository and pins it, so that none can go between
// the check and the commit.
func (r *Registry) record(ctx context.Context, tx *metadata.Tx, repo, ref string, m metadata.Manifest) error {
	repoID, err := tx.EnsureRepository(ctx, repo, creator(ctx))
	if err != nil {
		return err
	}
	missing, err := r.missing(ctx, tx, repoID, m)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "%w", &distribution.MissingError{Digests: missing})
	}
	if err := tx.AddBytes(ctx, m.Descriptor.Digest, m.Descriptor.Size); err != nil {
		return err
	}
	if err := tx.AddManifest(ctx, repoID, m, actor(ctx)); err != nil {
		return err
	}
	if isDigest(ref) {
		return nil
	}
	return tx.SetTag(ctx, repoID, ref, m.Descriptor.Digest, actor(ctx))
}

// DeleteManifest implements distribution.Deleter.
func (r *Registry) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	repo = metadata.CanonicalName(repo)
	repoID, err := r.db.Repository(ctx, repo)
	if err != nil {
		return err
	}
	return r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveManifest(ctx, repoID, dgst, actor(ctx), r.grace); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "manifest.delete", repo+"@"+dgst.String(), "")
	})
}

// DeleteTag implements distribution.Deleter.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string) error {
	repo = metadata.CanonicalName(repo)
	repoID, err := r.db.Repository(ctx, repo)
	if err != nil {
		return err
	}
	return r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveTag(ctx, repoID, tag, actor(ctx)); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "tag.delete", repo+":"+tag, "")
	})
}
