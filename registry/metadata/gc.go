package metadata

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/metadata/collect"
)

const bytesOf = collect.BytesOf

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
type Due = collect.Due

// DueReviews lists entries that are due; see [collect.Next].
func (q Queries) DueReviews(ctx context.Context, now time.Time, n int) ([]Due, error) {
	return collect.Next(ctx, q.q, now, n)
}

// ReviewMemberships is [collect.Memberships], and puts off those that are leased.
func (tx *Tx) ReviewMemberships(ctx context.Context, due []Due) (ended int, err error) {
	ended, leased, err := collect.Memberships(ctx, tx.tx, &tx.usage, due)
	for _, l := range leased {
		if err == nil {
			err = tx.Review(ctx, l.RepositoryID, l.Digest, l.Until)
		}
	}
	return ended, err
}

// MarkDeleting is [collect.Mark].
func (tx *Tx) MarkDeleting(ctx context.Context, digests []digest.Digest) ([]digest.Digest, int64, error) {
	return collect.Mark(ctx, tx.tx, digests)
}

// DropBytes is [collect.Drop].
func (tx *Tx) DropBytes(ctx context.Context, digests []digest.Digest) error {
	return collect.Drop(ctx, tx.tx, digests)
}

// lockBytes takes the row that guards a digest. Without one there is nothing to review:
// every queue entry of the digest is forgotten.
func (tx *Tx) lockBytes(ctx context.Context, dgst digest.Digest) error {
	found, err := tx.exists(ctx, "SELECT 1 FROM blobs WHERE digest = $1"+tx.tx.ForUpdate, dgst.String())
	if err != nil || found {
		return err
	}
	_, err = tx.q.Exec(ctx, "DELETE FROM gc_queue WHERE digest = $1", dgst.String())
	return db.Unavailable(err)
}

// Owned says whether the database knows the bytes of a digest.
func (q Queries) Owned(ctx context.Context, dgst digest.Digest) (bool, error) {
	return q.exists(ctx, "SELECT 1 FROM blobs WHERE digest = $1", dgst.String())
}
