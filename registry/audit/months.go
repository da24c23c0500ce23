package audit

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"cove/registry/db"
	"cove/registry/metadata"
)

// On PostgreSQL each table of the log is made of months (migration 36): what is too old
// goes with its month, at once and leaving nothing to clean up, and who asks for a time
// reads the months of that alone.

const (
	// ahead is how many months after this one are made before they come.
	ahead = 2
	// patience is how long a change of the parts waits for who reads the log: every push
	// would wait behind it.
	patience = "SET LOCAL lock_timeout = '3s'"
)

// part is one of those that a table is made of: from a time, until another. One without
// beginning or end has the least or greatest number there.
type part struct {
	name        string
	from, until int64 // microseconds
	other       bool  // for what no other part is for
}

// month says that the part is one, and not what was there before, or the other one.
func (p part) month() bool { return !p.other && p.from != math.MinInt64 }

// over says that all of the part is older than a time.
func (p part) over(before time.Time) bool { return !p.other && p.until <= db.Micros(before) }

var bounds = regexp.MustCompile(`^FOR VALUES FROM \((?:MINVALUE|'?(\d+)'?)\) TO \('?(\d+)'?\)$`)

// partsOf lists the parts of a table; none where it is not made of any.
func partsOf(ctx context.Context, tx *metadata.Tx, table string) ([]part, error) {
	if tx.Tx.ForUpdate == "" { // SQLite
		return nil, nil
	}
	return db.All(ctx, tx.Querier(), func(s db.Scanner) (p part, err error) {
		var text string
		if err := s.Scan(&p.name, &text); err != nil {
			return p, err
		}
		if p.other = text == "DEFAULT"; p.other {
			return p, nil
		}
		m := bounds.FindStringSubmatch(text)
		if m == nil {
			return p, fmt.Errorf("table %s has a part of its own kind: %s", p.name, text)
		}
		p.from = math.MinInt64
		if m[1] != "" {
			p.from, err = strconv.ParseInt(m[1], 10, 64)
		}
		if err == nil {
			p.until, err = strconv.ParseInt(m[2], 10, 64)
		}
		return p, err
	}, `SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass($1) ORDER BY c.relname`, table)
}

// Prepare makes the months to come, and those that have come without.
func Prepare(ctx context.Context, database *metadata.DB, now time.Time) error {
	first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, table := range tables {
		for i := range ahead + 1 {
			err := database.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
				return prepare(ctx, tx, table.name, first.AddDate(0, i, 0))
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare makes a month of a table, unless another part has that time. What has come for it
// before is among the others, and moves there.
func prepare(ctx context.Context, tx *metadata.Tx, table string, month time.Time) error {
	parts, err := partsOf(ctx, tx, table)
	if err != nil || len(parts) == 0 {
		return err
	}
	other, from, until := "", db.Micros(month), db.Micros(month.AddDate(0, 1, 0))
	for _, p := range parts {
		if p.other {
			other = p.name
		} else if p.from < until && from < p.until {
			return nil
		}
	}
	name := table + month.Format("_2006_01")
	stmts := []string{patience, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS)", name, table)}
	if other != "" {
		stmts = append(stmts, fmt.Sprintf("WITH came AS (DELETE FROM %s WHERE at >= %d AND at < %d RETURNING *) "+
			"INSERT INTO %s SELECT * FROM came", other, from, until, name))
	}
	// this holds nobody up who writes to the log, as making it a part at once would
	stmts = append(stmts, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", table, name, from, until))
	for _, stmt := range stmts {
		if _, err := tx.Tx.Exec(ctx, stmt); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

// dropMonths drops the parts of a table that are older than a time, all of each, and tells
// how many lines went. The one with the newest line stays.
func dropMonths(ctx context.Context, database *metadata.DB, table string, before time.Time) (removed int64, err error) {
	for {
		var n int64
		some := false
		err := database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			parts, err := partsOf(ctx, tx, table)
			if err != nil {
				return err
			}
			for _, p := range parts {
				if !p.over(before) {
					continue
				}
				if n, some, err = drop(ctx, tx, table, p); err != nil || some {
					return err // one in each transaction: its lock is a short one
				}
			}
			return nil
		})
		if err != nil || !some {
			return removed, err
		}
		removed += n
	}
}

// drop drops a part, unless it has the newest line of its table.
func drop(ctx context.Context, tx *metadata.Tx, table string, p part) (lines int64, done bool, err error) {
	if _, err := tx.Tx.Exec(ctx, patience); err != nil {
		return 0, false, db.Unavailable(err)
	}
	var newest, last int64
	err = tx.Querier().Row(ctx, fmt.Sprintf(`SELECT (SELECT COALESCE(MAX(id), 0) FROM %s), (SELECT COALESCE(MAX(id), -1) FROM %s),
		(SELECT COUNT(*) FROM %s)`, table, p.name, p.name)).Scan(&newest, &last, &lines)
	if err != nil || newest == last {
		return 0, false, db.Unavailable(err)
	}
	// what a receiver never gets is counted
	for _, stmt := range []string{
		fmt.Sprintf("UPDATE audit_forwards SET lost = lost + (SELECT COUNT(*) FROM %s gone WHERE gone.id > audit_forwards.sent)", p.name),
		"DROP TABLE " + p.name,
	} {
		if _, err := tx.Tx.Exec(ctx, stmt); err != nil {
			return 0, false, db.Unavailable(err)
		}
	}
	return lines, true, nil
}
