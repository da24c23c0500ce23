package store

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/registry/metadata"
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
	info, err := r.store.Stat(ctx, dgst)
	switch {
	case err != nil:
		return err
	case info.Size != was.size:
		return errdefs.Errorf(errdefs.ErrNotFound, "blob %s: %d of its %d bytes are stored; push it again", dgst,
			info.Size, was.size)
	case !r.unchanged.applies || !info.ModTime.After(was.at) || r.unchanged.knows(dgst, info.ModTime):
		return nil
	}
	return r.compare(ctx, dgst, info)
}

// compare reads bytes that were written to after they were stored. Mostly that was no
// harm, as when all was copied to another disk; then they are not read again until they
// change once more.
func (r *Registry) compare(ctx context.Context, dgst digest.Digest, info content.Info) error {
	unlock, err := r.unchanged.reading.Lock(ctx, string(dgst))
	if err != nil {
		return err
	}
	defer unlock()
	if r.unchanged.knows(dgst, info.ModTime) { // somebody else has read them meanwhile
		return nil
	}
	desc := blobDescriptor(dgst, info.Size)
	rd, err := r.store.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer rd.Close()
	err = drain(ctx, content.Verify(content.NewReader(rd), desc))
	if errors.Is(err, errdefs.ErrCorrupt) {
		r.Damaged(ctx, dgst)
		return errdefs.Errorf(errdefs.ErrNotFound, "blob %s: its stored bytes are damaged; push it again", dgst)
	}
	if err == nil {
		r.unchanged.learn(dgst, info.ModTime)
	}
	return err
}

// drain reads to the end, or until the client who asked has gone.
func drain(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.Read(buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// unchanged remembers of bytes that were written to after they were stored which were
// read since and found right, and when they were written to.
type unchanged struct {
	// applies is false for a bucket: it checks its own bytes, and a clock of its own says
	// when they were written.
	applies bool
	reading limit.Keyed

	mu  sync.Mutex
	was map[digest.Digest]time.Time
}

// mostUnchanged bounds what is remembered; then it begins anew.
const mostUnchanged = 50_000

func (u *unchanged) knows(dgst digest.Digest, at time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	was, ok := u.was[dgst]
	return ok && was.Equal(at)
}

func (u *unchanged) learn(dgst digest.Digest, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.was == nil || len(u.was) == mostUnchanged {
		u.was = map[digest.Digest]time.Time{}
	}
	u.was[dgst] = at
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
