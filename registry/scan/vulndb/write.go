package vulndb

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/scan/advisory"
)

// writer is a feed.Sink that keeps what it is told under a source.
type writer struct {
	db                          *metadata.DB
	source                      int64
	advisories, vulnerabilities int
	about                       []advisory.Vulnerability
	said                        []advisory.Advisory
}

// rowsOnce is how many rows one statement inserts, and step how many one
// transaction.
const (
	rowsOnce = 50
	step     = 1000
)

func (w *writer) Vulnerability(ctx context.Context, v advisory.Vulnerability) error {
	if !v.Trim() {
		return nil
	}
	w.about = append(w.about, v)
	return w.flushAt(ctx, step)
}

func (w *writer) Advisory(ctx context.Context, a advisory.Advisory) error {
	if !a.Sound() {
		return nil
	}
	w.said = append(w.said, a)
	return w.flushAt(ctx, step)
}

func (w *writer) flushAt(ctx context.Context, n int) error {
	if len(w.about) < n && len(w.said) < n {
		return nil
	}
	return w.flush(ctx)
}

func (w *writer) flush(ctx context.Context) error {
	about := make([][]any, 0, len(w.about))
	for _, v := range w.about {
		published := int64(0)
		if !v.Published.IsZero() {
			published = db.Micros(v.Published)
		}
		about = append(about, []any{
			v.ID, w.source, int64(v.Severity), int64(v.Score*10 + 0.5), v.Title, v.Description,
			strings.Join(v.Links, " "), published,
		})
	}
	said := make([][]any, 0, len(w.said))
	for _, a := range w.said {
		affected, err := json.Marshal(a.Affected)
		if err != nil {
			return err
		}
		said = append(
			said,
			[]any{0, w.source, a.Ecosystem, a.Package, a.Vulnerability, int64(a.Severity), string(affected)},
		)
	}
	err := w.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		err := InsertRows(ctx, tx.Tx, `INSERT INTO scan_vulnerabilities
			(id, source_id, severity, score, title, description, links, published_at)`, "ON CONFLICT DO NOTHING", about)
		if err != nil {
			return err
		}
		for _, row := range said {
			row[0] = tx.Tx.NewID()
		}
		return InsertRows(ctx, tx.Tx, `INSERT INTO scan_advisories
			(id, source_id, ecosystem, package, vulnerability, severity, affected)`, "ON CONFLICT DO NOTHING", said)
	})
	w.vulnerabilities, w.advisories = w.vulnerabilities+len(about), w.advisories+len(said)
	w.about, w.said = w.about[:0], w.said[:0]
	return err
}

// InsertRows inserts rows, which all have as many values, several by one statement.
// Conflict is the clause that says what becomes of those that are there.
func InsertRows(ctx context.Context, tx db.Querier, into, conflict string, rows [][]any) error {
	for len(rows) > 0 {
		n := rowsOnce
		if len(rows) < n {
			n = 1
		}
		var args []any
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		stmt := into + " VALUES " + Places(n, len(rows[0])) + " " + conflict
		if _, err := tx.Exec(ctx, stmt, args...); err != nil {
			return db.Unavailable(err)
		}
		rows = rows[n:]
	}
	return nil
}

// Places are parameters for rows of so many columns: ($1, $2), ($3, $4).
func Places(rows, columns int) string {
	var b strings.Builder
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + Parameters(i*columns+1, columns) + ")")
	}
	return b.String()
}

// Parameters are n of a statement, from the first: "$3, $4".
func Parameters(first, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Join(all, ", ")
}
