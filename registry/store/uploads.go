package store

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
	"cove/registry/metadata/usage"
	"cove/registry/span"
)

// StartUpload implements distribution.BlobWriter. The row comes before the
// bytes, so that whatever is left of an upload has an owner. A power cut may
// take it back: the client is told that the upload is unknown and starts over.
func (r *Registry) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	if err := r.db.Roomy(); err != nil {
		return nil, err
	}
	repo = metadata.CanonicalName(repo)
	u := &upload{r: r, repo: repo, id: rand.Text()}
	err := r.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
		if u.repoID, err = tx.EnsureRepository(ctx, repo, creator(ctx)); err != nil {
			return err
		}
		return tx.StartUpload(ctx, u.repoID, u.id, actor(ctx), r.now().Add(r.lives.Uploads()))
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// ResumeUpload implements distribution.BlobWriter.
func (r *Registry) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	repo = metadata.CanonicalName(repo)
	repoID, err := r.db.Upload(ctx, repo, id)
	if err != nil {
		return nil, err
	}
	u := &upload{r: r, repo: repo, repoID: repoID, id: id}
	if err := u.open(ctx); err != nil {
		return nil, err
	}
	return u, nil
}

// ingestID is an upload's name in the content store.
func ingestID(upload string) string { return "upload-" + upload }

// upload is a distribution.Upload over a content.Writer.
type upload struct {
	r      *Registry
	repo   string
	repoID int64
	id     string
	// w is nil until the first byte: most uploads begin with a request that
	// brings none.
	w    content.Writer
	room usage.Room // of the project, when it was last asked
	// full is why the bytes were dropped; nil while they are here.
	full error
}

func (u *upload) open(ctx context.Context) (err error) {
	if u.full != nil {
		return u.full
	}
	if u.w == nil {
		u.w, err = u.r.store.Begin(ctx, ingestID(u.id))
	}
	return u.dropIfFull(ctx, err)
}

// dropIfFull frees what an upload has written when err is that of a full disk:
// it is the room that everyone else waits for. The client begins again.
func (u *upload) dropIfFull(ctx context.Context, err error) error {
	if !errors.Is(err, errdefs.ErrExhausted) {
		return err
	}
	u.full = err
	ctx = context.WithoutCancel(ctx)
	if u.w != nil {
		_ = u.w.Close() // it fails to save, on a full disk, what is removed next
		u.w = nil
	}
	if dropErr := u.r.store.Abort(ctx, ingestID(u.id)); dropErr != nil && !errors.Is(dropErr, errdefs.ErrNotFound) {
		return errors.Join(err, dropErr)
	}
	_ = u.forget(ctx) // else the row goes when it expires
	return err
}

func (u *upload) ID() string { return u.id }

func (u *upload) Offset() int64 {
	if u.w == nil {
		return 0
	}
	return u.w.Offset()
}

func (u *upload) Write(p []byte) (int, error) {
	if err := u.open(context.Background()); err != nil { // an io.Writer has no context to hand on
		return 0, err
	}
	if err := u.fits(context.Background(), len(p)); err != nil {
		return 0, err
	}
	n, err := u.w.Write(p)
	return n, u.dropIfFull(context.Background(), err)
}

// Written reads back what was written, while more is: until the upload ends, when
// it fails with os.ErrClosed. It is nil where the storage cannot.
func (u *upload) Written(ctx context.Context) io.ReaderAt {
	if err := u.open(ctx); err != nil {
		return nil // the next write says why
	}
	readable, _ := u.w.(content.ReadableWriter)
	if readable == nil {
		return nil
	}
	return readable
}

func (u *upload) Close() error {
	if u.w == nil {
		return nil
	}
	return u.dropIfFull(context.Background(), u.w.Close())
}

// Commit implements distribution.Upload.
func (u *upload) Commit(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	if err := u.open(ctx); err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := blobDescriptor(dgst, u.Offset())
	err := u.r.own(ctx, u.repo, desc, func(ctx context.Context) error {
		err := u.w.Commit(ctx, desc)
		if errors.Is(err, errdefs.ErrCorrupt) { // the store has forgotten the bytes
			err = errors.Join(err, u.forget(ctx))
		}
		return u.dropIfFull(ctx, err)
	}, func(ctx context.Context, tx *metadata.Tx) (int64, error) { return u.repoID, tx.EndUpload(ctx, u.id) })
	if err != nil {
		return ocispec.Descriptor{}, u.endIfOver(ctx, err)
	}
	return desc, nil
}

// Own makes a blob of a repository of bytes that come by another way than an upload:
// put makes them durable in the store.
func (r *Registry) Own(
	ctx context.Context, repo string, desc ocispec.Descriptor, put func(context.Context) error,
) error {
	repo = metadata.CanonicalName(repo)
	return r.own(ctx, repo, desc, put, func(ctx context.Context, tx *metadata.Tx) (int64, error) {
		return tx.EnsureRepository(ctx, repo, creator(ctx))
	})
}

// own has put make bytes durable and a transaction own them, in which repository says
// whose they are. From before the one until after the other the digest is locked: GC,
// which would remove the same bytes, waits or has finished.
func (r *Registry) own(
	ctx context.Context, repo string, desc ocispec.Descriptor, put func(context.Context) error,
	repository func(context.Context, *metadata.Tx) (int64, error),
) error {
	unlock, err := r.db.LockDigest(ctx, desc.Digest)
	if err != nil {
		return err
	}
	defer unlock()
	_, end := span.Start(ctx, span.Store, "commit "+desc.Digest.String())
	err = put(ctx)
	if end(err); err != nil {
		return err
	}
	r.pause(ctx, "upload: bytes durable")
	err = r.charge(ctx, repo, func(ctx context.Context, tx *metadata.Tx) error {
		id, err := repository(ctx, tx)
		if err != nil {
			return err
		}
		if err := tx.AddBytes(ctx, desc.Digest, desc.Size); err != nil {
			return err
		}
		return tx.AddBlob(ctx, id, desc.Digest, r.now().Add(r.lives.Lease()))
	})
	if err != nil {
		r.discard(ctx, desc.Digest)
	}
	return err
}

// Cancel implements distribution.Upload. The bytes go first, so that on a full
// disk there is room for the rest.
func (u *upload) Cancel(ctx context.Context) error {
	_ = u.Close() // it fails to save, on a full disk, what is removed next
	if err := u.r.store.Abort(ctx, ingestID(u.id)); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	return u.forget(ctx)
}

func (u *upload) forget(ctx context.Context) error {
	return u.r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return tx.EndUpload(ctx, u.id)
	})
}
