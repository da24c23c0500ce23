package metadata

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// Write is a write of bytes that is under way.
type Write struct {
	ID      string
	State   string
	Version int64 // 0: there is none yet
	SavedAt time.Time
}

// Hold takes a key until release, or fails at once; see [db.DB.Hold].
func (m *DB) Hold(ctx context.Context, key string) (release func(), err error) {
	return m.db.Hold(ctx, key)
}

// Write is errdefs.ErrNotFound for an id of which nothing was saved.
func (q Queries) Write(ctx context.Context, id string) (Write, error) {
	w := Write{ID: id}
	var at int64
	err := q.q.Row(ctx, "SELECT state, version, saved_at FROM writes WHERE id = $1", id).Scan(&w.State, &w.Version, &at)
	w.SavedAt = time.UnixMicro(at)
	return w, db.NotFound(err, "write %q: nothing is saved of it", id)
}

// Writes lists, after last, what is under way; at most n.
func (q Queries) Writes(ctx context.Context, last string, n int) ([]Write, error) {
	return db.All(ctx, q.q, func(s db.Scanner) (w Write, err error) {
		var at int64
		err = s.Scan(&w.ID, &w.State, &w.Version, &at)
		w.SavedAt = time.UnixMicro(at)
		return w, err
	}, "SELECT id, state, version, saved_at FROM writes WHERE id > $1 ORDER BY id LIMIT $2", last, n)
}

// SaveWrite replaces the state of the version that the caller knows, which grows by
// one. Another version is errdefs.ErrConflict: the write is somebody else's.
func (tx *Tx) SaveWrite(ctx context.Context, w Write) error {
	now := db.Micros(tx.tx.Now)
	var changed int64
	var err error
	if w.Version == 0 {
		changed, err = tx.q.Exec(ctx, `INSERT INTO writes (id, state, version, saved_at) VALUES ($1, $2, 1, $3)
			ON CONFLICT (id) DO NOTHING`, w.ID, w.State, now)
	} else {
		changed, err = tx.q.Exec(ctx, "UPDATE writes SET state = $2, version = version + 1, saved_at = $3 WHERE id = $1 AND version = $4",
			w.ID, w.State, now, w.Version)
	}
	if err == nil && changed == 0 {
		return errdefs.Errorf(errdefs.ErrConflict, "write %q: another server goes on with it", w.ID)
	}
	return db.Unavailable(err)
}

// DropWrite forgets a write, of the version that the caller knows.
func (tx *Tx) DropWrite(ctx context.Context, id string, version int64) error {
	_, err := tx.q.Exec(ctx, "DELETE FROM writes WHERE id = $1 AND version = $2", id, version)
	return db.Unavailable(err)
}
