package metadata

import (
	"context"
	"database/sql"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
)

// Tags lists the tags after last of a repository, at most n, in byte order.
func (q Queries) Tags(ctx context.Context, repoID int64, last string, n int) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString,
		"SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3",
		repoID, last, n)
}

// SetTag points a tag at a manifest of the same repository and remembers what
// it named before.
func (tx *Tx) SetTag(ctx context.Context, repoID int64, tag string, dgst digest.Digest, actor string) error {
	previous, err := tx.tagged(ctx, repoID, tag)
	if err != nil && !isNotFound(err) {
		return err
	}
	if previous == dgst {
		return nil
	}
	if _, err := tx.q.Exec(ctx, `INSERT INTO tags (repository_id, name, digest, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (repository_id, name) DO UPDATE
		SET digest = excluded.digest, updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		repoID, tag, dgst.String(), db.Micros(tx.tx.Now), actor); err != nil {
		return db.Unavailable(err)
	}
	return tx.rememberTag(ctx, tagMove{repoID, tag, dgst, previous, actor})
}

// RemoveTag removes a tag, or is errdefs.ErrNotFound.
func (tx *Tx) RemoveTag(ctx context.Context, repoID int64, tag, actor string) error {
	previous, err := tx.tagged(ctx, repoID, tag)
	if err != nil {
		return err
	}
	if _, err := tx.q.Exec(ctx, "DELETE FROM tags WHERE repository_id = $1 AND name = $2", repoID, tag); err != nil {
		return db.Unavailable(err)
	}
	return tx.rememberTag(ctx, tagMove{repoID, tag, "", previous, actor})
}

func (tx *Tx) tagged(ctx context.Context, repoID int64, tag string) (digest.Digest, error) {
	var dgst string
	err := tx.q.Row(ctx, "SELECT digest FROM tags WHERE repository_id = $1 AND name = $2"+tx.tx.ForUpdate, repoID,
		tag).Scan(&dgst)
	return digest.Digest(dgst), db.NotFound(err, "this repository has no tag %s", tag)
}

// tagMove is one row of a tag's history: what it names now, and named before.
type tagMove struct {
	repoID        int64
	tag           string
	now, previous digest.Digest
	actor         string
}

func (tx *Tx) rememberTag(ctx context.Context, m tagMove) error {
	_, err := tx.q.Exec(ctx, `INSERT INTO tag_history (id, repository_id, name, digest, previous, actor, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		tx.newChange(), m.repoID, m.tag, m.now.String(), m.previous.String(), m.actor, db.Micros(tx.tx.Now))
	return db.Unavailable(err)
}

func isEmpty(err error) bool    { return errors.Is(err, sql.ErrNoRows) }
func isNotFound(err error) bool { return errors.Is(err, errdefs.ErrNotFound) }
