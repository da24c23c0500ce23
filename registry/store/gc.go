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
	"cove/registry/metadata/collect"
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
	// reviewBatch is how much of the queue is worked on at once, in the order of digests.
	reviewBatch = 1 << 14
	// reviewWorkers overlap the removal of bytes with transactions.
	reviewWorkers = 2
	// together is how many entries are one transaction, and digests are locked together
	// while their bytes go: so many that others wait for no more than some milliseconds.
	together = collect.Most
	// longestRest bounds how long a worker leaves the machine to others after each of them.
	longestRest = 20 * time.Millisecond
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

// CollectEvery collects until ctx ends; interval is asked before each pause.
func (r *Registry) CollectEvery(ctx context.Context, interval func() time.Duration) {
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
		case <-time.After(interval()):
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
	err := errors.Join(r.expireUploads(ctx, &t), r.expireWrites(ctx, &t), r.reviewDue(ctx, &t), r.db.DropRemoved(ctx))
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
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(reviewWorkers)
		for bytes, some := range kinds(due) {
			do := r.review
			if bytes {
				do = r.collectBytes
			}
			for part := range slices.Chunk(some, together) {
				g.Go(func() error { return r.work(ctx, part, t, do) })
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

// kinds are the entries about bytes (true), and those about memberships.
func kinds(due []metadata.Due) map[bool][]metadata.Due {
	n := slices.IndexFunc(due, func(d metadata.Due) bool { return !d.Bytes() })
	if n < 0 {
		n = len(due)
	}
	return map[bool][]metadata.Due{true: due[:n], false: due[n:]}
}

// work does something with several entries of the queue; if that fails, with one after
// the other, to find the one that is in the way. Then it rests for as long as it took.
func (r *Registry) work(
	ctx context.Context, due []metadata.Due, t *tally,
	do func(context.Context, []metadata.Due, *tally) error,
) error {
	r.pause(ctx, "gc: before review")
	begun := time.Now()
	err := do(ctx, due, t)
	if err != nil && len(due) > 1 && ctx.Err() == nil {
		for _, d := range due {
			if err := r.orPostpone(ctx, d, do(ctx, []metadata.Due{d}, t)); err != nil {
				return err
			}
		}
		return nil
	}
	if err == nil && len(due) == together { // it is no small collection
		select {
		case <-time.After(min(time.Since(begun), longestRest)):
		case <-ctx.Done():
		}
	}
	return r.orPostpone(ctx, due[0], err)
}

// review ends the memberships of blobs that their repositories do not need. It is no
// loss if a power cut takes that back: the queue has them again.
func (r *Registry) review(ctx context.Context, due []metadata.Due, t *tally) error {
	ended := 0
	err := r.db.MakeRoomSoon(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
		ended, err = tx.ReviewMemberships(ctx, due)
		return err
	})
	if err == nil {
		t.memberships.Add(int64(ended))
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

// collectBytes removes bytes that nothing refers to. A kill between its steps
// leaves the rows marked and queued, and the next collection goes on.
func (r *Registry) collectBytes(ctx context.Context, due []metadata.Due, t *tally) error {
	digests, keys := make([]digest.Digest, len(due)), make([]string, len(due))
	for i, d := range due {
		digests[i], keys[i] = d.Digest, d.Digest.String()
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
		marked, bytes, err = tx.MarkDeleting(ctx, digests)
		return err
	})
	if err != nil || len(marked) == 0 {
		return err
	}
	r.pause(ctx, "gc: marked")
	if err := r.removeBytes(ctx, marked); err != nil {
		return err
	}
	r.pause(ctx, "gc: bytes gone")
	err = r.db.MakeRoomSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.DropBytes(ctx, marked) })
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

// writesEvery is how often old writes are looked for, or as often as they get old. The first
// collection of a process does it too; what one that was killed just before had begun is not
// old by then, and is found the next time.
const writesEvery = time.Hour

// expireWrites frees what no row leads to: a manifest whose write was killed,
// an upload whose row a power cut took, temporary files. Nothing that a row of
// an upload keeps is older than its life.
func (r *Registry) expireWrites(ctx context.Context, t *tally) error {
	now, due := r.now(), r.writesDue.Load()
	next := now.Add(min(writesEvery, max(r.lives.Uploads(), time.Second)))
	if now.UnixMicro() < due || !r.writesDue.CompareAndSwap(due, next.UnixMicro()) {
		return nil
	}
	freed, err := r.store.Expire(ctx, now.Add(-r.lives.Uploads()))
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
