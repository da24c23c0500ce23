package store

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"cove/content"
	"cove/errdefs"
	"cove/registry/hold"
	"cove/registry/metadata"
	"cove/registry/store/servers"
)

// Garbage collection runs while the registry serves. Why nothing is lost:
//
//   - A blob goes in two steps: first its membership of a repository ends,
//     then, when it has none left, its bytes go. Each step is a transaction
//     that takes the row of the digest and looks again.
//   - Whoever is told that a blob is there (upload, mount, HEAD) holds a lease
//     on its membership, renewed in a transaction that takes the same row; a
//     manifest's push takes the rows of all it needs. So each of them comes
//     before the collector and is seen by it, or after it and is told "not
//     found", and uploads.
//   - Bytes are removed under the lock of their digest, which an upload of the
//     same bytes holds from before they are durable until a row owns them.
//
// What the collector looks at comes from a queue that is filled, within the
// same transactions, when a lease is given and when a reference goes.

const (
	reviewBatch   = 512
	reviewWorkers = 8
	// bytesBatch is how many digests are locked together while their bytes go.
	bytesBatch = 64
)

// Collected is what one collection did.
type Collected struct {
	Uploads     int // unfinished uploads that nobody came back to
	Memberships int // blobs that left a repository
	Blobs       int // digests whose bytes were removed
	Bytes       int64
}

// tally is a Collected that workers add to.
type tally struct{ uploads, memberships, blobs, bytes atomic.Int64 }

func (t *tally) collected() Collected {
	return Collected{
		Uploads: int(t.uploads.Load()), Memberships: int(t.memberships.Load()),
		Blobs: int(t.blobs.Load()), Bytes: t.bytes.Load(),
	}
}

// CollectEvery collects until ctx ends.
func (r *Registry) CollectEvery(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		got, err := r.CollectAlone(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrCollecting): // another server does it
		case err != nil:
			r.log.ErrorContext(ctx, "garbage collection failed; it will be tried again", "error", err)
		case got != Collected{}:
			r.log.InfoContext(ctx, "collected garbage", "blobs", got.Blobs, "bytes", got.Bytes,
				"memberships", got.Memberships, "uploads", got.Uploads)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ErrCollecting is a collection that somebody else is at.
var ErrCollecting = errdefs.Errorf(errdefs.ErrUnavailable, "garbage collection: another server is at it")

// CollectAlone is Collect, by one of the servers of a registry at a time: several
// would do no harm, and twice the work.
func (r *Registry) CollectAlone(ctx context.Context) (Collected, error) {
	release, err := r.db.Hold(ctx, "garbage collection")
	if errors.Is(err, errdefs.ErrUnavailable) && r.db.Ping(ctx) == nil {
		return Collected{}, ErrCollecting
	}
	if err != nil {
		return Collected{}, err
	}
	defer release()
	dead, err := servers.Killed(ctx, r.db)
	if err != nil {
		return Collected{}, err
	}
	if len(dead) > 0 {
		r.unowned.Store(true)
	}
	got, err := r.Collect(ctx)
	if err != nil {
		return got, err
	}
	return got, servers.Forget(ctx, r.db, dead)
}

// Collect does what is due now. Several may run at once.
func (r *Registry) Collect(ctx context.Context) (Collected, error) {
	var t tally
	err := errors.Join(r.expireUploads(ctx, &t), r.expireWrites(ctx, &t), r.reviewDue(ctx, &t))
	if err == nil && r.unowned.CompareAndSwap(true, false) {
		if err = r.sweepStrays(ctx, &t); err != nil {
			r.unowned.Store(true)
		}
	}
	_ = r.db.Roomy() // takes the reserve again, as soon as there is room for it
	return t.collected(), err
}

// reviewDue works through the queue until nothing in it is due.
func (r *Registry) reviewDue(ctx context.Context, t *tally) error {
	for {
		due, err := r.db.DueReviews(ctx, r.now(), reviewBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		var stored []metadata.Due
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(reviewWorkers)
		for _, d := range due {
			if d.Bytes() {
				stored = append(stored, d)
				continue
			}
			g.Go(func() error { return r.orPostpone(ctx, d, r.review(ctx, d, t)) })
		}
		for batch := range slices.Chunk(stored, bytesBatch) {
			g.Go(func() error { return r.collectBatch(ctx, batch, t) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

// review ends the membership of a blob that its repository does not need.
func (r *Registry) review(ctx context.Context, d metadata.Due, t *tally) error {
	r.pause(ctx, "gc: before review")
	ended := false
	err := r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
		ended, err = tx.ReviewMembership(ctx, d.RepositoryID, d.Digest)
		return err
	})
	if err == nil && ended {
		t.memberships.Add(1)
	}
	return err
}

// retryAfter is when a review that failed is tried again.
const retryAfter = 10 * time.Minute

// orPostpone keeps one blob that cannot be reviewed from holding up the others.
func (r *Registry) orPostpone(ctx context.Context, d metadata.Due, reason error) error {
	if reason == nil || ctx.Err() != nil {
		return reason
	}
	r.log.ErrorContext(ctx, "a blob could not be reviewed; it will be tried again", "digest", d.Digest, "error", reason)
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return tx.Review(ctx, d.RepositoryID, d.Digest, r.now().Add(retryAfter))
	})
}

// collectBatch removes the bytes of several digests; if that fails, of one after the
// other, to find the one that is in the way.
func (r *Registry) collectBatch(ctx context.Context, due []metadata.Due, t *tally) error {
	r.pause(ctx, "gc: before review")
	err := r.collectBytes(ctx, due, t)
	if err == nil || len(due) == 1 || ctx.Err() != nil {
		return r.orPostpone(ctx, due[0], err)
	}
	for _, d := range due {
		if err := r.orPostpone(ctx, d, r.collectBytes(ctx, []metadata.Due{d}, t)); err != nil {
			return err
		}
	}
	return nil
}

// collectBytes removes bytes that nothing refers to. A kill between its steps
// leaves the rows marked and queued, and the next collection goes on.
func (r *Registry) collectBytes(ctx context.Context, due []metadata.Due, t *tally) error {
	keys := make([]string, len(due))
	for i, d := range due {
		keys[i] = d.Digest.String()
	}
	unlock, err := r.db.Lock(ctx, keys...)
	if err != nil {
		return err
	}
	defer unlock()
	var marked []digest.Digest
	var bytes int64
	err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		marked, bytes = nil, 0
		if held, err := hold.Postpone(ctx, tx, due); err != nil || held {
			return err
		}
		for _, d := range due {
			size, ok, err := tx.MarkDeleting(ctx, d.Digest)
			if err != nil {
				return err
			}
			if ok {
				marked, bytes = append(marked, d.Digest), bytes+size
			}
		}
		return nil
	})
	if err != nil || len(marked) == 0 {
		return err
	}
	r.pause(ctx, "gc: marked")
	if err := r.removeBytes(ctx, marked); err != nil {
		return err
	}
	r.pause(ctx, "gc: bytes gone")
	err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, dgst := range marked {
			if err := tx.DropBytes(ctx, dgst); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.blobs.Add(int64(len(marked)))
		t.bytes.Add(bytes)
	}
	return err
}

// removeBytes needs the locks of the digests held. Bytes that are gone are no error:
// a collection that was killed removed them.
func (r *Registry) removeBytes(ctx context.Context, digests []digest.Digest) error {
	if many, ok := r.store.(content.BatchDeleter); ok {
		return many.DeleteBatch(ctx, digests)
	}
	for _, dgst := range digests {
		if err := r.store.Delete(ctx, dgst); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
	}
	return nil
}

// expireUploads frees the bytes of uploads that nobody came back to. The bytes
// go first: the row is what finds them again.
func (r *Registry) expireUploads(ctx context.Context, t *tally) error {
	for {
		ids, err := r.db.ExpiredUploads(ctx, r.now(), reviewBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			err := r.store.Abort(ctx, ingestID(id))
			if err != nil && !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrUnavailable) {
				return err
			}
			err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.EndUpload(ctx, id) })
			if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				return err
			}
			t.uploads.Add(1)
		}
	}
}

// writesEvery is how often old writes are looked for. The first collection of a
// process does it too: what it finds was left by one that was killed.
const writesEvery = time.Hour

// expireWrites frees what no row leads to: a manifest whose write was killed,
// an upload whose row a power cut took, temporary files. Nothing that a row of
// an upload keeps is older than its life.
func (r *Registry) expireWrites(ctx context.Context, t *tally) error {
	now, due := r.now(), r.writesDue.Load()
	if now.UnixMicro() < due || !r.writesDue.CompareAndSwap(due, now.Add(writesEvery).UnixMicro()) {
		return nil
	}
	freed, err := r.store.Expire(ctx, now.Add(-r.uploadLife))
	t.bytes.Add(freed)
	return err
}

// sweepStrays removes bytes that the database does not know: a push whose
// transaction failed, or that was killed before it. It is the one place that
// walks the storage, and runs only after such a failure.
func (r *Registry) sweepStrays(ctx context.Context, t *tally) error {
	for info, err := range r.store.All(ctx) {
		if err != nil {
			return err
		}
		owned, err := r.db.Owned(ctx, info.Digest)
		if err != nil {
			return err
		}
		if owned {
			continue
		}
		if err := r.collectUnowned(ctx, info.Digest, t); err != nil {
			return err
		}
	}
	return nil
}

// collectUnowned looks again under the digest's lock, which a push that is under
// way holds until a row owns its bytes.
func (r *Registry) collectUnowned(ctx context.Context, dgst digest.Digest, t *tally) error {
	unlock, err := r.db.LockDigest(ctx, dgst)
	if err != nil {
		return err
	}
	defer unlock()
	freed, removed, err := r.removeUnowned(ctx, dgst)
	if removed {
		t.blobs.Add(1)
		t.bytes.Add(freed)
	}
	return err
}

// discard removes the bytes of a push whose transaction failed, unless someone
// else's row owns them. What it cannot remove the next sweep does.
func (r *Registry) discard(ctx context.Context, dgst digest.Digest) {
	if _, _, err := r.removeUnowned(context.WithoutCancel(ctx), dgst); err != nil {
		r.unowned.Store(true)
	}
}

// removeUnowned needs the digest's lock held.
func (r *Registry) removeUnowned(ctx context.Context, dgst digest.Digest) (freed int64, removed bool, err error) {
	owned, err := r.db.Owned(ctx, dgst)
	if err != nil || owned {
		return 0, false, err
	}
	info, err := r.store.Stat(ctx, dgst)
	if err == nil {
		err = r.store.Delete(ctx, dgst)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return 0, false, nil
	}
	return info.Size, err == nil, err
}
