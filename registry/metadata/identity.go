package metadata

import (
	"context"

	"cove/registry/db"
)

// Identity is the word by which the database and the bytes of one registry know
// each other; "" before SetIdentity.
func (q Queries) Identity(ctx context.Context) (id string, err error) {
	err = q.q.Row(ctx, "SELECT id FROM identity WHERE one = 1").Scan(&id)
	if isEmpty(err) {
		return "", nil
	}
	return id, db.Unavailable(err)
}

// SetIdentity replaces it.
func (tx *Tx) SetIdentity(ctx context.Context, id string) error {
	_, err := tx.q.Exec(ctx, `INSERT INTO identity (one, id) VALUES (1, $1)
		ON CONFLICT (one) DO UPDATE SET id = excluded.id`, id)
	return db.Unavailable(err)
}

// KnowsContent says whether the database knows any stored bytes.
func (q Queries) KnowsContent(ctx context.Context) (bool, error) {
	return q.exists(ctx, "SELECT 1 FROM blobs LIMIT 1")
}

// Sequence is the number of the newest entry of the tags' history and of the
// audit log. It only grows: a database with a smaller one is an older copy.
func (q Queries) Sequence(ctx context.Context) (n int64, err error) {
	err = q.q.Row(ctx, `SELECT MAX(n) FROM (SELECT COALESCE(MAX(id), 0) AS n FROM audit
		UNION ALL SELECT COALESCE(MAX(id), 0) FROM tag_history) AS newest`).Scan(&n)
	return n, db.Unavailable(err)
}

// NumberAfter has all entries that follow get greater numbers than n.
func (m *DB) NumberAfter(n int64) { m.db.NumberAfter(n) }

// OnCommit has fn called after each durable write with the number of its newest
// entry, before the write returns. Set it before the first write.
func (m *DB) OnCommit(fn func(sequence int64)) { m.onCommit = fn }

// Held is a manifest of a repository with its tags, as the database knows it.
type Held struct {
	Repository, Digest, MediaType, By string
}

// Manifests lists the manifests of all repositories after the last one, at most
// n, by repository and digest.
func (q Queries) Manifests(ctx context.Context, last Held, n int) ([]Held, error) {
	return db.All(ctx, q.q, func(s db.Scanner) (h Held, err error) {
		err = s.Scan(&h.Repository, &h.Digest, &h.MediaType, &h.By)
		return h, err
	}, `SELECT r.name, m.digest, m.media_type, m.pushed_by FROM manifests m JOIN repositories r ON r.id = m.repository_id
		WHERE r.name > $1 OR (r.name = $1 AND m.digest > $2) ORDER BY r.name, m.digest LIMIT $3`,
		last.Repository, last.Digest, n)
}

// TagsOn lists the tags of a repository that name a manifest.
func (q Queries) TagsOn(ctx context.Context, repo, dgst string) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString, `SELECT t.name FROM tags t JOIN repositories r ON r.id = t.repository_id
		WHERE r.name = $1 AND t.digest = $2`, repo, dgst)
}
