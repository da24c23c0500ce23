package metadata

import (
	"context"
	"time"

	"cove/errdefs"
)

// StartUpload records an upload so that it is found again by its id, and its
// bytes are freed when nobody comes back before expires.
func (tx *Tx) StartUpload(ctx context.Context, repoID int64, id, actor string, expires time.Time) error {
	_, err := tx.q.exec(ctx, "INSERT INTO uploads (id, repository_id, started_by, expires_at) VALUES ($1, $2, $3, $4)",
		id, repoID, actor, micros(expires))
	return unavailable(err)
}

// Upload returns the repository id of an upload to the repository with this
// canonical name, or errdefs.ErrNotFound.
func (q Queries) Upload(ctx context.Context, repo, id string) (repoID int64, err error) {
	err = q.q.row(ctx, `SELECT u.repository_id FROM uploads u JOIN repositories r ON r.id = u.repository_id
		WHERE u.id = $1 AND r.name = $2`, id, repo).Scan(&repoID)
	return repoID, notFound(err, "repository %s has no upload %s; start a new one", repo, id)
}

// EndUpload forgets an upload; errdefs.ErrNotFound when another request has
// ended it.
func (tx *Tx) EndUpload(ctx context.Context, id string) error {
	changed, err := tx.q.exec(ctx, "DELETE FROM uploads WHERE id = $1", id)
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "upload %s is over; start a new one", id)
	}
	return unavailable(err)
}

// ExpiredUploads lists uploads that nobody finished in time.
func (q Queries) ExpiredUploads(ctx context.Context, now time.Time, n int) ([]string, error) {
	return all(ctx, q.q, scanString, "SELECT id FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
		micros(now), n)
}
