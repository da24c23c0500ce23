package metadata

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// StartUpload records an upload so that it is found again by its id, and its
// bytes are freed when nobody comes back before expires.
func (tx *Tx) StartUpload(ctx context.Context, repoID int64, id, actor string, expires time.Time) error {
	_, err := tx.q.Exec(ctx, "INSERT INTO uploads (id, repository_id, started_by, expires_at) VALUES ($1, $2, $3, $4)",
		id, repoID, actor, db.Micros(expires))
	return db.Unavailable(err)
}

// Upload returns the repository id of an upload to the repository with this
// canonical name, or errdefs.ErrNotFound.
func (q Queries) Upload(ctx context.Context, repo, id string) (repoID int64, err error) {
	err = q.q.Row(ctx, `SELECT u.repository_id FROM uploads u JOIN repositories r ON r.id = u.repository_id
		WHERE u.id = $1 AND r.name = $2`, id, repo).Scan(&repoID)
	return repoID, db.NotFound(err, "repository %s has no upload %s; start a new one", repo, id)
}

// OpenUploads is how many uploads an account has begun and not ended.
func (q Queries) OpenUploads(ctx context.Context, account string) (n int, err error) {
	err = q.q.Row(ctx, "SELECT COUNT(*) FROM uploads WHERE started_by = $1", account).Scan(&n)
	return n, db.Unavailable(err)
}

// EndUpload forgets an upload; errdefs.ErrNotFound when another request has
// ended it.
func (tx *Tx) EndUpload(ctx context.Context, id string) error {
	changed, err := tx.q.Exec(ctx, "DELETE FROM uploads WHERE id = $1", id)
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "upload %s is over; start a new one", id)
	}
	return db.Unavailable(err)
}

// ExpiredUploads lists uploads that nobody finished in time.
func (q Queries) ExpiredUploads(ctx context.Context, now time.Time, n int) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString, "SELECT id FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
		db.Micros(now), n)
}
