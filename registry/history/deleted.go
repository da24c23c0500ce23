package history

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

// deletedManifests lists those that a repository lost since a time, the newest
// first, at most n.
func deletedManifests(
	ctx context.Context, q db.Querier, repo string, since time.Time, n int,
) ([]Deleted, error) {
	return db.All(ctx, q, scanDeleted, `SELECT d.digest, d.media_type, d.size, d.tags, d.deleted_at, d.deleted_by
		FROM repositories r JOIN deleted_manifests d ON d.repository_id = r.id
		WHERE r.name = $1 AND d.deleted_at >= $2 ORDER BY d.deleted_at DESC, d.digest LIMIT $3`,
		repo, db.Micros(since), n)
}

// deletedManifest is the one of a digest, or errdefs.ErrNotFound.
func deletedManifest(ctx context.Context, q db.Querier, repo string, dgst digest.Digest) (Deleted, error) {
	d, err := scanDeleted(q.Row(ctx, `SELECT d.digest, d.media_type, d.size, d.tags, d.deleted_at, d.deleted_by
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

// unlistedManifests lists manifests of a repository that no index there needs, at
// most n.
func unlistedManifests(ctx context.Context, q db.Querier, repoID int64, n int) ([]digest.Digest, error) {
	return db.All(ctx, q, func(s db.Scanner) (digest.Digest, error) {
		text, err := db.ScanString(s)
		return digest.Digest(text), err
	}, `SELECT m.digest FROM manifests m WHERE m.repository_id = $1 AND NOT EXISTS (SELECT 1 FROM manifest_refs f
		WHERE f.repository_id = m.repository_id AND f.digest = m.digest AND f.is_manifest = 1) LIMIT $2`, repoID, n)
}
