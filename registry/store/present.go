package store

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/span"
)

// stored is what the database says of the bytes of a digest.
type stored struct {
	size int64
	at   time.Time
}

// present is errdefs.ErrNotFound for bytes that the storage has lost, has in another
// length, or that changed since they were stored: whoever would push them must not be
// told that they are there.
func (r *Registry) present(ctx context.Context, dgst digest.Digest, was stored) error {
	_, end := span.Start(ctx, span.Store, "stat "+dgst.String())
	info, err := r.store.Stat(ctx, dgst)
	end(err)
	switch {
	case err != nil:
		return err
	case info.Size != was.size:
		return errdefs.Errorf(errdefs.ErrNotFound, "blob %s: %d of its %d bytes are stored; push it again", dgst,
			info.Size, was.size)
	case r.reread == nil || !info.ModTime.After(was.at) || r.reread.Knows(dgst, info.ModTime):
		return nil
	}
	return r.compare(ctx, dgst, info)
}

// compare reads bytes that were written to after they were stored.
func (r *Registry) compare(ctx context.Context, dgst digest.Digest, info content.Info) error {
	err := r.reread.Compare(ctx, r.store, blobDescriptor(dgst, info.Size), info.ModTime)
	if errors.Is(err, errdefs.ErrCorrupt) {
		r.Damaged(ctx, dgst)
		return errdefs.Errorf(errdefs.ErrNotFound, "blob %s: its stored bytes are damaged; push it again", dgst)
	}
	return err
}

// Damaged records that a read has found stored bytes not to be their digest's:
// from now on they are answered as not there, so that clients push them again.
func (r *Registry) Damaged(ctx context.Context, dgst digest.Digest) {
	ctx = context.WithoutCancel(ctx)
	err := r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.MarkDamaged(ctx, dgst, true) })
	if err != nil {
		r.log.ErrorContext(ctx, "stored bytes are damaged, which could not be recorded", "digest", dgst, "error", err)
		return
	}
	r.log.ErrorContext(ctx, "stored bytes are damaged; push what they belong to again", "digest", dgst)
}
