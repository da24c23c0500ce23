package metadata

import (
	"context"

	"cove/registry/db"
)

// AddServer records that a server runs.
func (tx *Tx) AddServer(ctx context.Context, id string) error {
	_, err := tx.q.Exec(ctx, "INSERT INTO servers (id, started_at) VALUES ($1, $2)", id, db.Micros(tx.tx.Now))
	return db.Unavailable(err)
}

// RemoveServer records that a server has ended in order, or that what it left is
// cleared away.
func (tx *Tx) RemoveServer(ctx context.Context, id string) error {
	_, err := tx.q.Exec(ctx, "DELETE FROM servers WHERE id = $1", id)
	return db.Unavailable(err)
}

// Servers are those that run, and those that were killed.
func (q Queries) Servers(ctx context.Context) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString, "SELECT id FROM servers ORDER BY started_at, id")
}
