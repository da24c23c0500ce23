package usage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/db"
)

// Room is what a project has for an upload whose digest nobody knows yet. The zero
// value allows nothing.
type Room struct {
	project           string
	limit, used, most int64
}

// RoomOf reads the room of the project of a repository.
func RoomOf(ctx context.Context, q db.Querier, repository int64) (r Room, err error) {
	var id, largest int64
	err = q.Row(ctx, `SELECT p.id, p.name, COALESCE(o.bytes, d.bytes, -1), COALESCE(u.used, 0)
		FROM repositories r JOIN projects p ON p.id = r.project_id
		LEFT JOIN quotas o ON o.project_id = p.id LEFT JOIN quotas d ON d.project_id = 0
		LEFT JOIN project_usage u ON u.project_id = p.id WHERE r.id = $1`, repository).Scan(&id, &r.project, &r.limit,
		&r.used)
	if err != nil || r.limit == Unlimited {
		return r, db.NotFound(err, "the repository is gone")
	}
	// It may be something that the project has, which costs nothing.
	err = q.Row(ctx, "SELECT COALESCE(MAX(size), 0) FROM project_blobs WHERE project_id = $1", id).Scan(&largest)
	r.most = max(r.limit-r.used, largest)
	return r, db.Unavailable(err)
}

// Allows says whether an upload may be of so many bytes.
func (r Room) Allows(bytes int64) bool { return r.limit == Unlimited || bytes <= r.most }

// Takes is nil if bytes that the project has not got fit in beside those it has.
func (r Room) Takes(bytes int64) error {
	if r.limit == Unlimited || bytes <= r.limit-r.used {
		return nil
	}
	return r.Refusal(bytes)
}

// Refusal is the error of one that may not.
func (r Room) Refusal(bytes int64) error {
	return &distribution.QuotaError{Project: r.project, Limit: r.limit, Used: r.used, More: bytes}
}

// abandonedAfter is how long what was pushed, and is needed by no manifest yet, keeps
// its bytes from others. A push that takes longer is only counted again at its
// manifest.
const abandonedAfter = 15 * time.Minute

// Held are bytes that a project holds only for pushes: those that nobody came back to,
// or, with GiveUp, all of a repository.
type Held struct {
	Project, Repository string
	GiveUp              bool
}

// Relieve has such bytes count no longer, and tells how many they are. The blobs stay
// until the collector takes them, for a push that goes on.
func Relieve(ctx context.Context, tx *db.Tx, h Held) (freed int64, err error) {
	var project int64
	err = tx.Row(ctx, "SELECT id FROM projects WHERE name = $1", h.Project).Scan(&project)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil // it was not made, because its first push did not fit
	}
	if err != nil {
		return 0, db.Unavailable(err)
	}
	stmt := `UPDATE project_blobs SET counted = 0 WHERE project_id = $1 AND needs = 0 AND counted = 1
		AND counted_at < $2 RETURNING size`
	args := []any{project, db.Micros(tx.Now.Add(-abandonedAfter))}
	if h.GiveUp {
		stmt = `UPDATE project_blobs SET counted = 0 WHERE project_id = $1 AND needs = 0 AND counted = 1
			AND EXISTS (SELECT 1 FROM repositories r JOIN repository_blobs c ON c.repository_id = r.id
				WHERE r.name = $2 AND c.digest = project_blobs.digest) RETURNING size`
		args[1] = h.Repository
	}
	sizes, err := db.All(ctx, tx, func(s db.Scanner) (n int64, err error) { return n, s.Scan(&n) }, stmt, args...)
	for _, n := range sizes {
		freed += n
	}
	if err != nil {
		return 0, err
	}
	_, err = charge(ctx, tx, project, sum{used: -freed, waiting: freed})
	return freed, err
}

// Forget removes what is kept of a project that holds nothing any more.
func Forget(ctx context.Context, tx *db.Tx, project string) error {
	for _, table := range []string{"project_blobs", "project_usage", "quotas", "digest_holders", "repository_usage"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table+
			" WHERE project_id IN (SELECT id FROM projects WHERE name = $1)", project); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

// SetLimit limits a project, or, with project 0, all that have no limit of their own;
// nil takes its own limit from it.
func SetLimit(ctx context.Context, tx *db.Tx, project int64, bytes *int64) error {
	var err error
	if bytes == nil {
		_, err = tx.Exec(ctx, "DELETE FROM quotas WHERE project_id = $1", project)
	} else {
		_, err = tx.Exec(ctx, `INSERT INTO quotas (project_id, bytes) VALUES ($1, $2)
			ON CONFLICT (project_id) DO UPDATE SET bytes = excluded.bytes`, project, *bytes)
	}
	return db.Unavailable(err)
}

// DefaultLimit is that of projects without one of their own.
func DefaultLimit(ctx context.Context, q db.Querier) (bytes int64, err error) {
	err = db.NotFound(q.Row(ctx, "SELECT bytes FROM quotas WHERE project_id = 0").Scan(&bytes), "there is no default")
	if errors.Is(err, errdefs.ErrNotFound) {
		return Unlimited, nil
	}
	return bytes, err
}
