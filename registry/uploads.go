package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
)

// StartUpload implements distribution.BlobWriter. The row comes before the
// bytes, so that whatever is left of an upload has an owner.
func (r *Registry) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	repo = metadata.CanonicalName(repo)
	u := &upload{r: r, repo: repo, id: rand.Text()}
	err := r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
		if u.repoID, err = tx.EnsureRepository(ctx, repo, actor(ctx)); err != nil {
			return err
		}
		return tx.StartUpload(ctx, u.repoID, u.id, actor(ctx), r.now().Add(r.uploadLife))
	})
	if err != nil {
		return nil, err
	}
	u.Writer, err = r.store.Begin(ctx, ingestID(u.id))
	return u, err
}

// ResumeUpload implements distribution.BlobWriter.
func (r *Registry) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	repo = metadata.CanonicalName(repo)
	repoID, err := r.db.Upload(ctx, repo, id)
	if err != nil {
		return nil, err
	}
	w, err := r.store.Begin(ctx, ingestID(id))
	if err != nil {
		return nil, err
	}
	return &upload{Writer: w, r: r, repo: repo, repoID: repoID, id: id}, nil
}

// ingestID is an upload's name in the content store.
func ingestID(upload string) string { return "upload-" + upload }

// upload is a distribution.Upload over a content.Writer.
type upload struct {
	content.Writer
	r      *Registry
	repo   string
	repoID int64
	id     string
}

func (u *upload) ID() string { return u.id }

// ReadFrom lets the store choose its buffer.
func (u *upload) ReadFrom(src io.Reader) (int64, error) { return io.Copy(u.Writer, src) }

// Commit implements distribution.Upload. From before the bytes are durable
// until the transaction owns them the digest is locked: GC, which would remove
// the same bytes, waits or has finished.
func (u *upload) Commit(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	unlock, err := u.r.db.LockDigest(ctx, dgst)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer unlock()
	desc := blobDescriptor(dgst, u.Offset())
	if err := u.Writer.Commit(ctx, desc); err != nil {
		if errors.Is(err, errdefs.ErrCorrupt) { // the store has forgotten the bytes
			err = errors.Join(err, u.forget(ctx))
		}
		return ocispec.Descriptor{}, err
	}
	u.r.pause(ctx, "upload: bytes durable")
	err = u.r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.EndUpload(ctx, u.id); err != nil {
			return err
		}
		if err := tx.AddBytes(ctx, dgst, desc.Size); err != nil {
			return err
		}
		return tx.AddBlob(ctx, u.repoID, dgst, u.r.now().Add(u.r.lease))
	})
	if err != nil {
		u.r.disown(ctx, dgst)
		return ocispec.Descriptor{}, err
	}
	return desc, nil
}

// Cancel implements distribution.Upload.
func (u *upload) Cancel(ctx context.Context) error {
	if err := u.Close(); err != nil {
		return err
	}
	if err := u.r.store.Abort(ctx, ingestID(u.id)); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	return u.forget(ctx)
}

func (u *upload) forget(ctx context.Context) error {
	return u.r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return tx.EndUpload(ctx, u.id)
	})
}
