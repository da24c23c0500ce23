package audit

import (
	"context"
	"time"

	"cove/registry/db"
	"cove/registry/metadata"
)

// Forget removes the lines that are older than a time, a batch in each transaction,
// and tells how many. The newest line stays, however old: a database's number in the
// sequence of changes must not fall. On PostgreSQL lines that are kept for long go by months:
// those of one stay until all of it is older.
func Forget(ctx context.Context, database *metadata.DB, before time.Time) (removed int64, err error) {
	for _, table := range tables {
		n, err := dropMonths(ctx, database, table.name, before)
		removed += n
		if err != nil {
			return removed, err
		}
		n, err = forget(ctx, database, table.name, before)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// byMonths is for how long lines have to be kept to go by months: of less a month more would
// be much.
const byMonths = 62 * 24 * time.Hour

// forget removes single lines, but those that go by months.
func forget(ctx context.Context, database *metadata.DB, table string, before time.Time) (removed int64, err error) {
	const batch = 5000
	for {
		var n int64
		err := database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
			n, err = forgetSome(ctx, tx, table, batch, before)
			return err
		})
		removed += n
		if err != nil || n < batch || ctx.Err() != nil {
			return removed, err
		}
	}
}

func forgetSome(
	ctx context.Context, tx *metadata.Tx, table string, most int64, before time.Time,
) (removed int64, err error) {
	from := []string{table}
	parts, err := partsOf(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	if len(parts) > 0 {
		from = nil
	}
	for _, p := range parts {
		if !p.month() || tx.Now().Sub(before) < byMonths {
			from = append(from, p.name)
		}
	}
	for _, one := range from {
		some := "(SELECT id FROM " + one + " WHERE at < $1 AND id < (SELECT MAX(id) FROM " + table +
			") ORDER BY at LIMIT $2)"
		// what a receiver never gets is counted
		if _, err := tx.Tx.Exec(ctx, "UPDATE audit_forwards SET lost = lost + (SELECT COUNT(*) FROM "+some+
			" AS gone WHERE gone.id > audit_forwards.sent)", db.Micros(before), most-removed); err != nil {
			return removed, db.Unavailable(err)
		}
		n, err := tx.Tx.Exec(ctx, "DELETE FROM "+one+" WHERE id IN "+some, db.Micros(before), most-removed)
		if removed += n; err != nil || removed >= most {
			return removed, db.Unavailable(err)
		}
	}
	return removed, nil
}
