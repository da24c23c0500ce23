package audit

import (
	"context"
	"time"

	"cove/registry/db"
	"cove/registry/metadata"
)

// Forget removes the lines that are older than a time, a batch in each transaction,
// and tells how many. The newest line stays, however old: a database's number in the
// sequence of changes must not fall.
func Forget(ctx context.Context, database *metadata.DB, before time.Time) (removed int64, err error) {
	for _, table := range tables {
		n, err := forget(ctx, database, table.name, before)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func forget(ctx context.Context, database *metadata.DB, table string, before time.Time) (removed int64, err error) {
	const batch = 5000
	for {
		var n int64
		err := database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
			some := "(SELECT id FROM " + table + " WHERE at < $1 AND id < (SELECT MAX(id) FROM " + table +
				") ORDER BY at LIMIT $2)"
			// what a receiver never gets is counted
			if _, err = tx.Tx.Exec(ctx, "UPDATE audit_forwards SET lost = lost + (SELECT COUNT(*) FROM "+some+
				" AS gone WHERE gone.id > audit_forwards.sent)", db.Micros(before), batch); err == nil {
				n, err = tx.Tx.Exec(ctx, "DELETE FROM "+table+" WHERE id IN "+some, db.Micros(before), batch)
			}
			return db.Unavailable(err)
		})
		removed += n
		if err != nil || n < batch || ctx.Err() != nil {
			return removed, err
		}
	}
}
