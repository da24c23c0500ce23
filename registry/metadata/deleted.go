package metadata

import (
	"context"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// keepDeleted remembers a manifest that is about to be removed with these tags, and
// forgets those of its repository whose time is long over: the oldest ones, as a repository
// may have had thousands deleted on one day, for which nobody is to wait on another.
func (tx *Tx) keepDeleted(ctx context.Context, repoID int64, dgst digest.Digest, tags []string, actor string) error {
	const (
		long = 7 * 24 * time.Hour
		old  = `(SELECT digest FROM deleted_manifests WHERE repository_id = $1 AND deleted_at < $2
			ORDER BY deleted_at, digest LIMIT 100)`
	)
	over := db.Micros(tx.tx.Now.Add(-long))
	_, err := tx.q.Exec(ctx, `INSERT INTO deleted_manifests
		(repository_id, digest, media_type, size, tags, deleted_at, deleted_by)
		SELECT repository_id, digest, media_type, size, $3, $4, $5 FROM manifests
		WHERE repository_id = $1 AND digest = $2
		ON CONFLICT (repository_id, digest) DO UPDATE
		SET tags = excluded.tags, deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by`,
		repoID, dgst.String(), strings.Join(tags, " "), db.Micros(tx.tx.Now), actor)
	if err == nil {
		_, err = tx.q.Exec(ctx, "DELETE FROM artifact_labels WHERE repository_id = $1 AND digest IN "+old,
			repoID, over)
	}
	if err == nil {
		_, err = tx.q.Exec(ctx, "DELETE FROM deleted_manifests WHERE repository_id = $1 AND digest IN "+old,
			repoID, over)
	}
	return db.Unavailable(err)
}

// dropDeleted forgets a manifest that is back.
func (tx *Tx) dropDeleted(ctx context.Context, repoID int64, dgst digest.Digest) error {
	_, err := tx.q.Exec(ctx, "DELETE FROM deleted_manifests WHERE repository_id = $1 AND digest = $2", repoID,
		dgst.String())
	return db.Unavailable(err)
}
