package metadata

import (
	"context"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// Deleted is a manifest that was deleted and can be had back until the collector
// takes its bytes.
type Deleted struct {
	Digest    digest.Digest
	MediaType string
	Size      int64
	Tags      []string // that it had
	At        time.Time
	By        string
}

// DeletedManifests lists those that a repository lost since a time, the newest
// first, at most n.
func (q Queries) DeletedManifests(ctx context.Context, repo string, since time.Time, n int) ([]Deleted, error) {
	return db.All(ctx, q.q, scanDeleted, `SELECT d.digest, d.media_type, d.size, d.tags, d.deleted_at, d.deleted_by
		FROM repositories r JOIN deleted_manifests d ON d.repository_id = r.id
		WHERE r.name = $1 AND d.deleted_at >= $2 ORDER BY d.deleted_at DESC, d.digest LIMIT $3`,
		repo, db.Micros(since), n)
}

// DeletedManifest is the one of a digest, or errdefs.ErrNotFound.
func (q Queries) DeletedManifest(ctx context.Context, repo string, dgst digest.Digest) (Deleted, error) {
	d, err := scanDeleted(q.q.Row(ctx, `SELECT d.digest, d.media_type, d.size, d.tags, d.deleted_at, d.deleted_by
		FROM repositories r JOIN deleted_manifests d ON d.repository_id = r.id WHERE r.name = $1 AND d.digest = $2`,
		repo, dgst.String()))
	return d, db.NotFound(err, "manifest %s of repository %s was not deleted, or is collected", dgst, repo)
}

func scanDeleted(s db.Scanner) (d Deleted, err error) {
	var dgst, tags string
	var at int64
	err = s.Scan(&dgst, &d.MediaType, &d.Size, &tags, &at, &d.By)
	d.Digest, d.Tags, d.At = digest.Digest(dgst), strings.Fields(tags), time.UnixMicro(at)
	return d, err
}

// keepDeleted remembers a manifest that is about to be removed with these tags, and
// forgets those of its repository whose time is long over.
func (tx *Tx) keepDeleted(ctx context.Context, repoID int64, dgst digest.Digest, tags []string, actor string) error {
	const long = 7 * 24 * time.Hour
	_, err := tx.q.Exec(ctx, `INSERT INTO deleted_manifests
		(repository_id, digest, media_type, size, tags, deleted_at, deleted_by)
		SELECT repository_id, digest, media_type, size, $3, $4, $5 FROM manifests
		WHERE repository_id = $1 AND digest = $2
		ON CONFLICT (repository_id, digest) DO UPDATE
		SET tags = excluded.tags, deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by`,
		repoID, dgst.String(), strings.Join(tags, " "), db.Micros(tx.tx.Now), actor)
	if err == nil {
		_, err = tx.q.Exec(ctx, "DELETE FROM deleted_manifests WHERE repository_id = $1 AND deleted_at < $2", repoID,
			db.Micros(tx.tx.Now.Add(-long)))
	}
	return db.Unavailable(err)
}

// dropDeleted forgets a manifest that is back.
func (tx *Tx) dropDeleted(ctx context.Context, repoID int64, dgst digest.Digest) error {
	_, err := tx.q.Exec(ctx, "DELETE FROM deleted_manifests WHERE repository_id = $1 AND digest = $2", repoID,
		dgst.String())
	return db.Unavailable(err)
}

// UnlistedManifests lists manifests of a repository that no index there needs, at
// most n.
func (q Queries) UnlistedManifests(ctx context.Context, repoID int64, n int) ([]digest.Digest, error) {
	return db.All(ctx, q.q, func(s db.Scanner) (digest.Digest, error) {
		text, err := db.ScanString(s)
		return digest.Digest(text), err
	}, `SELECT m.digest FROM manifests m WHERE m.repository_id = $1 AND NOT EXISTS (SELECT 1 FROM manifest_refs f
		WHERE f.repository_id = m.repository_id AND f.digest = m.digest AND f.is_manifest = 1) LIMIT $2`, repoID, n)
}
