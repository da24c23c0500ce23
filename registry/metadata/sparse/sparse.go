// Package sparse keeps what manifests need and their repositories do not have yet,
// in projects that allow it: an index without all of its manifests, and, where a
// project is a proxy, manifests whose blobs nobody has asked for.
package sparse

import (
	"context"
	"database/sql"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/db"
)

// Allowance is what of a manifest may be absent in a project.
type Allowance struct{ Blobs, Manifests bool }

// Allowed tells what the project of this name allows; one that is not there allows
// nothing.
func Allowed(ctx context.Context, q db.Querier, project string) (Allowance, error) {
	var indexes, proxy int64
	err := q.Row(ctx, `SELECT p.sparse, CASE WHEN x.project_id IS NULL THEN 0 ELSE 1 END
		FROM projects p LEFT JOIN proxies x ON x.project_id = p.id WHERE p.name = $1`, project).Scan(&indexes, &proxy)
	if errors.Is(err, sql.ErrNoRows) {
		return Allowance{}, nil
	}
	return Allowance{Blobs: proxy != 0, Manifests: indexes+proxy != 0}, db.Unavailable(err)
}

// All says whether all of these digests may be absent, of a manifest with these
// blobs and children.
func (a Allowance) All(absent []digest.Digest, blobs, children []ocispec.Descriptor) bool {
	may := map[digest.Digest]bool{}
	for _, d := range children {
		may[d.Digest] = a.Manifests
	}
	for _, d := range blobs {
		may[d.Digest] = a.Blobs
	}
	for _, dgst := range absent {
		if !may[dgst] {
			return false
		}
	}
	return true
}

// AllowIndexes says whether a project takes indexes without all of their manifests.
func AllowIndexes(ctx context.Context, q db.Querier, projectID int64, allow bool) error {
	_, err := q.Exec(ctx, "UPDATE projects SET sparse = $2 WHERE id = $1", projectID, db.Number(allow))
	return db.Unavailable(err)
}

// Want is something that a manifest of a repository needs.
type Want struct {
	RepositoryID int64
	Manifest     digest.Digest
	Digest       digest.Digest
	IsManifest   bool
}

// Add records that it is absent. The manifest is recorded.
func Add(ctx context.Context, q db.Querier, w Want) error {
	_, err := q.Exec(ctx, `INSERT INTO manifest_wants (repository_id, manifest, digest, is_manifest)
		VALUES ($1, $2, $3, $4) ON CONFLICT (repository_id, manifest, digest) DO NOTHING`,
		w.RepositoryID, w.Manifest.String(), w.Digest.String(), db.Number(w.IsManifest))
	return db.Unavailable(err)
}

// Arrived makes references of what was wanted, now that it is in the repository. It
// tells how many.
func Arrived(
	ctx context.Context, q db.Querier, repoID int64, dgst digest.Digest, isManifest bool,
) (made int64, err error) {
	made, err = q.Exec(ctx, `INSERT INTO manifest_refs (repository_id, manifest, digest, is_manifest)
		SELECT repository_id, manifest, digest, is_manifest FROM manifest_wants
		WHERE repository_id = $1 AND digest = $2 AND is_manifest = $3
		ON CONFLICT (repository_id, manifest, digest) DO NOTHING`, repoID, dgst.String(), db.Number(isManifest))
	if err != nil || made == 0 {
		return 0, db.Unavailable(err)
	}
	_, err = q.Exec(ctx, "DELETE FROM manifest_wants WHERE repository_id = $1 AND digest = $2 AND is_manifest = $3",
		repoID, dgst.String(), db.Number(isManifest))
	return made, db.Unavailable(err)
}

// Wanted says whether a manifest of a repository needs what is not there.
func Wanted(ctx context.Context, q db.Querier, repo string, dgst digest.Digest) (bool, error) {
	var one int
	err := q.Row(ctx, `SELECT 1 FROM manifest_wants w JOIN repositories r ON r.id = w.repository_id
		WHERE r.name = $1 AND w.digest = $2 LIMIT 1`, repo, dgst.String()).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, db.Unavailable(err)
}

// Drop forgets what a manifest wants, which is about to be removed.
func Drop(ctx context.Context, q db.Querier, repoID int64, manifest digest.Digest) error {
	_, err := q.Exec(ctx, "DELETE FROM manifest_wants WHERE repository_id = $1 AND manifest = $2", repoID,
		manifest.String())
	return db.Unavailable(err)
}
