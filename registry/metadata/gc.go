package metadata

import (
	"context"
	"time"

	"cove/registry/db"

	"github.com/opencontainers/go-digest"
)

// bytesOf is the repository id under which the queue names stored bytes
// rather than a membership.
const bytesOf = 0

// Review asks GC to look, at due, whether a repository still needs a blob.
func (tx *Tx) Review(ctx context.Context, repoID int64, dgst digest.Digest, due time.Time) error {
	_, err := tx.q.Exec(ctx, `INSERT INTO gc_queue (repository_id, digest, due_at) VALUES ($1, $2, $3)
		ON CONFLICT (repository_id, digest) DO UPDATE SET due_at = excluded.due_at
		WHERE gc_queue.due_at < excluded.due_at`, repoID, dgst.String(), db.Micros(due))
	return db.Unavailable(err)
}

func (tx *Tx) forget(ctx context.Context, repoID int64, dgst digest.Digest) error {
	_, err := tx.q.Exec(ctx, "DELETE FROM gc_queue WHERE repository_id = $1 AND digest = $2", repoID, dgst.String())
	return db.Unavailable(err)
}

// Due is one entry of GC's queue.
type Due struct {
	RepositoryID int64 // 0: the bytes themselves
	Digest       digest.Digest
}

// Bytes says that the entry is about stored bytes, not about a membership.
func (d Due) Bytes() bool { return d.RepositoryID == bytesOf }

// DueReviews lists entries that are due, the oldest first.
func (q Queries) DueReviews(ctx context.Context, now time.Time, n int) ([]Due, error) {
	return db.All(ctx, q.q, func(s db.Scanner) (d Due, err error) {
		var dgst string
		err = s.Scan(&d.RepositoryID, &dgst)
		d.Digest = digest.Digest(dgst)
		return d, err
	}, "SELECT repository_id, digest FROM gc_queue WHERE due_at <= $1 ORDER BY due_at LIMIT $2", db.Micros(now), n)
}

// ReviewMembership ends a blob's membership of a repository when no manifest
// there needs it and its lease is over. It says whether it did.
func (tx *Tx) ReviewMembership(ctx context.Context, repoID int64, dgst digest.Digest) (ended bool, err error) {
	_, locked, err := tx.lockBytes(ctx, dgst)
	if err != nil || !locked {
		return false, err
	}
	var leased int64
	err = tx.q.Row(ctx, "SELECT leased_until FROM repository_blobs WHERE repository_id = $1 AND digest = $2",
		repoID, dgst.String()).Scan(&leased)
	if isEmpty(err) {
		return false, tx.forget(ctx, repoID, dgst)
	} else if err != nil {
		return false, db.Unavailable(err)
	}
	needed, err := tx.blobNeeded(ctx, repoID, dgst)
	if err != nil {
		return false, err
	}
	switch {
	case needed: // queued again by whoever deletes the manifest
		return false, tx.forget(ctx, repoID, dgst)
	case leased > db.Micros(tx.tx.Now):
		return false, tx.Review(ctx, repoID, dgst, time.UnixMicro(leased))
	}
	return true, tx.dropMembership(ctx, repoID, dgst)
}

// MarkDeleting is GC's decision about stored bytes, and tells how many they are:
// when nothing refers to them it marks them, and from then on nothing can. The
// caller holds the lock of the digest, removes the bytes, and calls DropBytes before
// it lets go.
func (tx *Tx) MarkDeleting(ctx context.Context, dgst digest.Digest) (size int64, marked bool, err error) {
	size, locked, err := tx.lockBytes(ctx, dgst)
	if err != nil || !locked {
		return 0, false, err
	}
	for _, stmt := range []string{
		"SELECT 1 FROM repository_blobs WHERE digest = $1 LIMIT 1",
		"SELECT 1 FROM manifests WHERE digest = $1 LIMIT 1",
		"SELECT 1 FROM manifest_refs WHERE digest = $1 LIMIT 1",
	} {
		found, err := tx.exists(ctx, stmt, dgst.String())
		if err != nil {
			return 0, false, err
		}
		if found { // queued again by whoever removes what was found
			return 0, false, tx.forget(ctx, bytesOf, dgst)
		}
	}
	_, err = tx.q.Exec(ctx, "UPDATE blobs SET deleting = 1 WHERE digest = $1", dgst.String())
	return size, err == nil, db.Unavailable(err)
}

// DropBytes forgets a digest whose bytes are gone.
func (tx *Tx) DropBytes(ctx context.Context, dgst digest.Digest) error {
	if _, err := tx.q.Exec(ctx, "DELETE FROM blobs WHERE digest = $1 AND deleting = 1", dgst.String()); err != nil {
		return db.Unavailable(err)
	}
	if _, err := tx.q.Exec(ctx, "DELETE FROM deleted_manifests WHERE digest = $1", dgst.String()); err != nil {
		return db.Unavailable(err)
	}
	return tx.forget(ctx, bytesOf, dgst)
}

// lockBytes takes the row that guards a digest, and tells how many bytes it is of.
// Without one there is nothing to review: every queue entry of the digest is
// forgotten.
func (tx *Tx) lockBytes(ctx context.Context, dgst digest.Digest) (size int64, found bool, err error) {
	err = tx.q.Row(ctx, "SELECT size FROM blobs WHERE digest = $1"+tx.tx.ForUpdate, dgst.String()).Scan(&size)
	if !isEmpty(err) {
		return size, err == nil, db.Unavailable(err)
	}
	_, err = tx.q.Exec(ctx, "DELETE FROM gc_queue WHERE digest = $1", dgst.String())
	return 0, false, db.Unavailable(err)
}

// Owned says whether the database knows the bytes of a digest.
func (q Queries) Owned(ctx context.Context, dgst digest.Digest) (bool, error) {
	return q.exists(ctx, "SELECT 1 FROM blobs WHERE digest = $1", dgst.String())
}
