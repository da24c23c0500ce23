package store

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/names"
	"cove/registry/metadata/sparse"
	"cove/registry/parse"
	"cove/registry/store/change"
)

// StatManifest implements distribution.ManifestReader.
func (r *Registry) StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := r.db.ManifestByDigest(ctx, metadata.CanonicalName(repo), dgst)
	return r.readable(ctx, repo, desc, err)
}

// StatTag implements distribution.TagReader.
func (r *Registry) StatTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	desc, err := r.db.ManifestByTag(ctx, metadata.CanonicalName(repo), tag)
	return r.readable(ctx, repo, desc, err)
}

// readable reads a manifest that was found, the first time, so that one which is
// lost or damaged is not said to be there.
func (r *Registry) readable(
	ctx context.Context, repo string, found ocispec.Descriptor, err error,
) (ocispec.Descriptor, error) {
	if err != nil {
		return found, err
	}
	_, err = r.body(ctx, repo, found)
	return found, err
}

// GetManifest implements distribution.ManifestReader.
func (r *Registry) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	desc, err := r.db.ManifestByDigest(ctx, metadata.CanonicalName(repo), dgst)
	return r.manifest(ctx, repo, desc, err)
}

// GetTag implements distribution.TagReader.
func (r *Registry) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	desc, err := r.db.ManifestByTag(ctx, metadata.CanonicalName(repo), tag)
	return r.manifest(ctx, repo, desc, err)
}

func (r *Registry) manifest(
	ctx context.Context, repo string, found ocispec.Descriptor, err error,
) (distribution.Manifest, error) {
	if err != nil {
		return distribution.Manifest{}, r.orNoRepository(ctx, repo, err)
	}
	body, err := r.body(ctx, repo, found)
	return distribution.Manifest{Descriptor: found, Body: body}, err
}

// body is a manifest's bytes, of memory or of the storage.
func (r *Registry) body(ctx context.Context, repo string, desc ocispec.Descriptor) ([]byte, error) {
	if body, ok := r.manifests.Get(desc.Digest); ok {
		return body, nil
	}
	// ReadBlob hashes what it reads: rotten bytes are not served.
	body, err := content.ReadBlob(ctx, r.store, desc)
	if errors.Is(err, errdefs.ErrCorrupt) {
		r.Damaged(ctx, desc.Digest)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "manifest %s of repository %s: %w", desc.Digest, repo, err)
	}
	r.manifests.Put(desc.Digest, body)
	return body, nil
}

// PutManifest implements distribution.ManifestWriter.
func (r *Registry) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	repo = metadata.CanonicalName(repo)
	meta, err := parse.Manifest(m)
	if err != nil {
		return "", err
	}
	dgst := m.Descriptor.Digest
	if err := r.db.Roomy(); err != nil {
		return "", err
	}
	m.Descriptor = meta.Descriptor
	if err := r.lookAhead(ctx, repo, meta); err != nil {
		return "", err
	}
	unlock, err := r.lockPush(ctx, repo, dgst, tags)
	if err != nil {
		return "", err
	}
	defer unlock()
	stored := false
	defer func() {
		if !stored {
			r.writeRecords(ctx, repo, dgst, tags)
		}
	}()
	settle, err := r.keep(ctx, repo, m, tags)
	if err != nil {
		return "", err
	}
	r.pause(ctx, "manifest: bytes durable")
	err = r.charge(ctx, repo, func(ctx context.Context, tx *metadata.Tx) error {
		return r.record(ctx, tx, repo, meta, tags)
	})
	if err != nil {
		r.discard(ctx, dgst)
		return "", err
	}
	stored = true
	r.recordStays(ctx, repo, settle(context.WithoutCancel(ctx)))
	return meta.Subject, nil
}

// lookAhead refuses a manifest that cannot be taken before any transaction begins,
// whatever its length: all others would wait for it. It also asks the storage
// whether it has lost what the database knows: then the client pushes that again.
func (r *Registry) lookAhead(ctx context.Context, repo string, m metadata.Manifest) error {
	repoID, err := r.db.Repository(ctx, repo)
	if errors.Is(err, errdefs.ErrNotFound) {
		// it is made by this push, and has nothing yet; unless it got another name just now
		repoID, err = 0, names.Free(ctx, r.db.Querier(), repo, r.now())
	}
	if err != nil {
		return err
	}
	held, err := r.db.Holdings(ctx, repoID, m.Describes())
	if err != nil {
		return err
	}
	if err := r.dropLost(ctx, held); err != nil {
		return err
	}
	if _, err := absent(ctx, r.db.Querier(), repo, m, parse.Complete(m, held)); err != nil {
		return err
	}
	return precondition(ctx, r.db.Queries, repo, m.Descriptor.Digest)
}

// absent are the digests that a manifest needs, that its repository does not have,
// and whose absence its project allows. err is what parse.Complete says of it.
func absent(
	ctx context.Context, q db.Querier, repo string, m metadata.Manifest, err error,
) ([]digest.Digest, error) {
	var missing *distribution.MissingError
	if !errors.As(err, &missing) {
		return nil, err
	}
	allowed, failed := sparse.Allowed(ctx, q, metadata.ProjectOf(repo))
	if failed != nil {
		return nil, failed
	}
	if !allowed.All(missing.Digests, m.Blobs, m.Children) {
		return nil, err
	}
	return missing.Digests, nil
}

// precondition holds that of a push against what is there. The tag and the digest
// are locked, so that nothing moves between this look and the end of the transaction.
func precondition(ctx context.Context, q metadata.Queries, repo string, dgst digest.Digest) error {
	p, ok := distribution.PreconditionOf(ctx)
	if !ok {
		return nil
	}
	at, err := ocispec.Descriptor{}, error(nil)
	if p.Tag != "" {
		at, err = q.ManifestByTag(ctx, repo, p.Tag)
	} else {
		at, err = q.ManifestByDigest(ctx, repo, dgst)
	}
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	return p.Check(at.Digest)
}

// stats is how many questions at once a storage is asked: one in a bucket takes as
// long as a line has to it and back.
const stats = 16

// dropLost takes out of what the database knows what the storage has lost.
func (r *Registry) dropLost(ctx context.Context, held map[digest.Digest]metadata.Holding) error {
	var mu sync.Mutex
	var gone []digest.Digest
	err := limit.Each(ctx, stats, maps.Keys(held), func(ctx context.Context, dgst digest.Digest) error {
		err := r.present(ctx, dgst, stored{held[dgst].Size, held[dgst].Stored})
		if !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		gone = append(gone, dgst)
		return nil
	})
	for _, dgst := range gone {
		delete(held, dgst)
	}
	return err
}

// keepManifest makes a manifest's bytes durable, unless the database says that
// they are and the storage has them whole. The digest is locked.
func (r *Registry) keepManifest(ctx context.Context, m distribution.Manifest) error {
	if owned, err := r.db.Owned(ctx, m.Descriptor.Digest); err != nil {
		return err
	} else if owned {
		if _, err := content.ReadBlob(ctx, r.store, m.Descriptor); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		// Whatever is wrong with them: the right ones are here.
	}
	_, err := content.WriteBytes(ctx, r.store, m.Descriptor, m.Body)
	return err
}

// record is the one transaction of a manifest's push: it finds every
// blob and child in the repository and pins it, so that none can go between
// the check and the commit.
func (r *Registry) record(ctx context.Context, tx *metadata.Tx, repo string, m metadata.Manifest, tags []string) error {
	if err := precondition(ctx, tx.Queries, repo, m.Descriptor.Digest); err != nil {
		return err
	}
	repoID, err := tx.EnsureRepository(ctx, repo, creator(ctx))
	if err != nil {
		return err
	}
	held, err := tx.Pin(ctx, repoID, m.Needs())
	if err == nil {
		m.Absent, err = absent(ctx, tx.Querier(), repo, m, parse.Complete(m, held))
	}
	if err != nil {
		return err
	}
	if err := tx.AddBytes(ctx, m.Descriptor.Digest, m.Descriptor.Size); err != nil {
		return err
	}
	if err := tx.AddManifest(ctx, repoID, m, actor(ctx)); err != nil {
		return err
	}
	for _, tag := range tags {
		if err := r.keepTag(ctx, tx, repo, tag, m.Descriptor.Digest); err != nil {
			return err
		}
		to := change.Tag{RepositoryID: repoID, Repository: repo, Name: tag}
		if err := to.Set(ctx, tx, m.Descriptor.Digest, actor(ctx)); err != nil {
			return err
		}
	}
	return r.tell(ctx, tx, change.Change{Repository: repo, Digest: m.Descriptor.Digest, Tags: tags, Actor: actor(ctx)})
}

// DeleteManifest implements distribution.Deleter. With the digest locked no tag
// can come to the manifest.
func (r *Registry) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	repo = metadata.CanonicalName(repo)
	repoID, err := r.db.Repository(ctx, repo)
	if err != nil {
		return err
	}
	unlock, err := r.lockPush(ctx, repo, dgst, nil)
	if err != nil {
		return err
	}
	defer unlock()
	tags, err := r.db.TagsOn(ctx, repo, dgst.String())
	if err != nil {
		return err
	}
	unlockTags, err := r.lockPush(ctx, repo, "", tags)
	if err != nil {
		return err
	}
	defer unlockTags()
	defer r.writeRecords(ctx, repo, dgst, tags)
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, tag := range tags {
			if err := r.keepTag(ctx, tx, repo, tag, ""); err != nil {
				return err
			}
		}
		if err := tx.RemoveManifest(ctx, repoID, dgst, actor(ctx), r.lives.Grace()); err != nil {
			return err
		}
		if err := tx.Audit(ctx, actor(ctx), "manifest.delete", repo+"@"+dgst.String(), ""); err != nil {
			return err
		}
		return r.tell(ctx, tx, change.Deletion(actor(ctx), repo, dgst, tags...))
	})
}

// DeleteTag implements distribution.Deleter.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string) error {
	repo = metadata.CanonicalName(repo)
	repoID, err := r.db.Repository(ctx, repo)
	if err != nil {
		return err
	}
	unlock, err := r.lockPush(ctx, repo, "", []string{tag})
	if err != nil {
		return err
	}
	defer unlock()
	defer r.writeRecords(ctx, repo, "", []string{tag})
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.keepTag(ctx, tx, repo, tag, ""); err != nil {
			return err
		}
		named, err := tx.ManifestByTag(ctx, repo, tag)
		if err != nil {
			return err
		}
		if err := tx.RemoveTag(ctx, repoID, tag, actor(ctx)); err != nil {
			return err
		}
		if err := tx.Audit(ctx, actor(ctx), "tag.delete", repo+":"+tag, ""); err != nil {
			return err
		}
		return r.tell(ctx, tx, change.Deletion(actor(ctx), repo, named.Digest, tag))
	})
}
