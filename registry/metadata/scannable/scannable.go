// Package scannable keeps which images a registry has, each once however many
// repositories have it, with what came of its scan: who asks how many there are, and how
// many of them wait, reads one small index. Whoever adds or removes a manifest, or writes
// what a scan found, says so in the same transaction, so that the numbers are exact.
package scannable

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/db"
)

// The types of configurations that images have, which are the types of their
// manifests as artifacts.
const (
	typeOCI    = ocispec.MediaTypeImageConfig
	typeDocker = "application/vnd.docker.container.image.v1+json"
)

// Types are those of the manifests that are images, as artifacts.
func Types() []any { return []any{typeOCI, typeDocker} }

// Is says whether manifests of a type, as artifacts, are images.
func Is(artifactType string) bool { return artifactType == typeOCI || artifactType == typeDocker }

// Arrived notes that a repository was given a manifest. The transaction holds the row of
// its bytes.
func Arrived(ctx context.Context, q db.Querier, repository int64, desc ocispec.Descriptor) error {
	if !Is(desc.ArtifactType) {
		return nil
	}
	_, err := q.Exec(ctx, `INSERT INTO scan_images (digest, state, worst)
		SELECT b.digest, COALESCE(a.state, ''), COALESCE(a.worst, 0)
		FROM blobs b LEFT JOIN scan_artifacts a ON a.digest = b.digest WHERE b.digest = $1
		ON CONFLICT (digest) DO NOTHING`, desc.Digest.String())
	if err == nil {
		_, err = q.Exec(ctx, list+` WHERE a.digest = $1 AND r.id = $2
			ON CONFLICT (repository_id, digest) DO NOTHING`, desc.Digest.String(), repository)
	}
	return db.Unavailable(err)
}

// list has a scanned image in the lists of the projects that have it.
const list = `INSERT INTO scan_listed (repository_id, digest, project_id, critical, high, medium)
	SELECT r.id, a.digest, r.project_id, a.critical, a.high, a.medium FROM scan_artifacts a
	JOIN manifests m ON m.digest = a.digest JOIN repositories r ON r.id = m.repository_id`

// Left notes that a repository has a manifest no longer. The transaction holds the row of
// its bytes.
func Left(ctx context.Context, q db.Querier, repository int64, dgst digest.Digest) error {
	_, err := q.Exec(ctx, `DELETE FROM scan_images WHERE digest = $1
		AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.digest = $1)`, dgst.String())
	if err == nil {
		_, err = q.Exec(ctx, "DELETE FROM scan_listed WHERE repository_id = $1 AND digest = $2", repository, dgst.String())
	}
	return db.Unavailable(err)
}

// Moved notes that a repository belongs to another project now.
func Moved(ctx context.Context, q db.Querier, repository, project int64) error {
	_, err := q.Exec(ctx, "UPDATE scan_listed SET project_id = $2 WHERE repository_id = $1", repository, project)
	return db.Unavailable(err)
}

// relist brings the lists of projects up to date with the scan of an image.
func relist(ctx context.Context, q db.Querier, dgst digest.Digest) error {
	_, err := q.Exec(ctx, list+` WHERE a.digest = $1 ON CONFLICT (repository_id, digest) DO UPDATE SET
		project_id = excluded.project_id, critical = excluded.critical, high = excluded.high, medium = excluded.medium`,
		dgst.String())
	return db.Unavailable(err)
}

// Scanned notes what came of the scan of an image, which is written already, and its worst
// vulnerability. The transaction holds the row of its bytes.
func Scanned(ctx context.Context, q db.Querier, dgst digest.Digest, state string, worst int64) error {
	_, err := q.Exec(ctx, "UPDATE scan_images SET state = $2, worst = $3 WHERE digest = $1", dgst.String(), state, worst)
	if err != nil {
		return db.Unavailable(err)
	}
	return relist(ctx, q, dgst)
}

// Count is how many images have a state, "" being that nobody scanned them, and a worst
// vulnerability.
type Count struct {
	State string
	Worst int64
	N     int
}

// Counts counts all images.
func Counts(ctx context.Context, q db.Querier) ([]Count, error) {
	return db.All(ctx, q, func(row db.Scanner) (c Count, err error) { return c, row.Scan(&c.State, &c.Worst, &c.N) },
		"SELECT state, worst, COUNT(*) FROM scan_images GROUP BY state, worst")
}

// Wrong are images of which it is kept wrongly that they are there, or what came of their
// scans, at most n. Only a release before, that wrote beside it, makes one.
func Wrong(ctx context.Context, q db.Querier, n int) ([]digest.Digest, error) {
	scanDigest := func(row db.Scanner) (d digest.Digest, err error) { return d, row.Scan(&d) }
	return db.All(ctx, q, scanDigest, `SELECT m.digest FROM manifests m
			LEFT JOIN scan_images i ON i.digest = m.digest LEFT JOIN scan_artifacts a ON a.digest = m.digest
			WHERE m.artifact_type IN ($1, $2) AND (i.digest IS NULL OR i.state <> COALESCE(a.state, '')
				OR i.worst <> COALESCE(a.worst, 0))
		UNION SELECT i.digest FROM scan_images i
			WHERE NOT EXISTS (SELECT 1 FROM manifests m WHERE m.digest = i.digest)
		UNION SELECT a.digest FROM scan_artifacts a
			JOIN manifests m ON m.digest = a.digest JOIN repositories r ON r.id = m.repository_id
			LEFT JOIN scan_listed l ON l.repository_id = r.id AND l.digest = a.digest
			WHERE l.digest IS NULL OR l.project_id <> r.project_id OR l.critical <> a.critical
				OR l.high <> a.high OR l.medium <> a.medium
		UNION SELECT l.digest FROM scan_listed l WHERE NOT EXISTS
			(SELECT 1 FROM manifests m WHERE m.repository_id = l.repository_id AND m.digest = l.digest)
		LIMIT $3`, append(Types(), n)...)
}

// Mend keeps of an image what is so. The transaction holds the row of its bytes.
func Mend(ctx context.Context, q db.Querier, dgst digest.Digest) error {
	for _, stmt := range []string{
		"DELETE FROM scan_images WHERE digest = $1",
		"DELETE FROM scan_listed WHERE digest = $1 AND repository_id IN (SELECT id FROM repositories)",
	} {
		if _, err := q.Exec(ctx, stmt, dgst.String()); err != nil {
			return db.Unavailable(err)
		}
	}
	_, err := q.Exec(ctx, `INSERT INTO scan_images (digest, state, worst)
		SELECT m.digest, COALESCE(a.state, ''), COALESCE(a.worst, 0)
		FROM manifests m LEFT JOIN scan_artifacts a ON a.digest = m.digest
		WHERE m.digest = $1 AND m.artifact_type IN ($2, $3) LIMIT 1`, append([]any{dgst.String()}, Types()...)...)
	if err != nil {
		return db.Unavailable(err)
	}
	return relist(ctx, q, dgst)
}
