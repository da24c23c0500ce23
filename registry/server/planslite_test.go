package server

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
	"cove/registry/server/config"
)

// walked are statements that go along an index or a table only as far as their first rows.
var walked = map[string]string{
	"SELECT 1 FROM blobs LIMIT 1": "whether there is any",
	"SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0), " +
		"COALESCE(MIN(CASE WHEN state = 'waiting' AND due_at <= $1 THEN due_at END), 0) FROM jobs WHERE ended_at = 0": "an index of jobs that have not ended, and no others",
	"SELECT id, at, actor, action, object, '', address FROM activity ORDER BY id DESC LIMIT $1": "a page of the newest",
	"SELECT id, at, actor, action, object, detail, '' FROM audit ORDER BY id DESC LIMIT $1":     "a page of the newest",
	"SELECT id, kind, subject, project, args, created_by, alone, state, stop, attempts, note, error, created_at, due_at, " +
		"started_at, ended_at FROM jobs ORDER BY id DESC LIMIT $1": "a page of the newest",
}

// TestPlansAtSizeOnSQLite has a server over SQLite do all that it does, with many artifacts
// in the database, and looks at the plan of each statement: none may read a large table or
// index from one end to the other. With -plan-artifacts=1000000 they are a million.
func TestPlansAtSizeOnSQLite(t *testing.T) {
	now := strictyaml.Duration(time.Nanosecond) // what is deleted is collected
	r := newReporter(t, config.Config{GC: config.GC{Lease: now, Grace: now}})
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(r.s.cfg.Root, "registry.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	begun := time.Now()
	large := fillMillionLite(t, pool, *planArtifacts)
	t.Logf("%d artifacts in %v, %d large tables", *planArtifacts, time.Since(begun).Round(time.Millisecond), len(large))
	asked := r.everything(t)
	statements := r.s.state.db.Querier().(interface{ Statements() []string }).Statements()
	looked := 0
	for _, stmt := range slices.Sorted(slices.Values(statements)) {
		verb, _, _ := strings.Cut(strings.TrimSpace(stmt), " ")
		if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, strings.ToUpper(strings.TrimSpace(verb))) {
			continue
		}
		looked++
		plain := strings.Join(strings.Fields(stmt), " ")
		if wholeTables[plain] != "" || walked[plain] != "" {
			continue
		}
		steps := planOf(t, pool, stmt)
		for _, step := range steps {
			table, ok := scanned(stmt, step)
			if ok && large[table] > 0 {
				t.Errorf("%s\n  reads all of %s (%d rows):\n    %s", plain, table, large[table], strings.Join(steps, "\n    "))
			}
		}
	}
	t.Logf("%d requests, %d statements", asked, looked)
	if looked < 150 {
		t.Errorf("only %d statements were looked at", looked)
	}
}

// planOf is how SQLite would answer a statement.
func planOf(t *testing.T, pool *sql.DB, stmt string) (steps []string) {
	t.Helper()
	n := 0
	for strings.Contains(stmt, fmt.Sprint("$", n+1)) {
		n++
	}
	rows, err := pool.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+stmt, make([]any, n)...) // the planner looks at no values
	if err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// scanned is the table that a step of a plan reads from one end on.
func scanned(stmt, step string) (table string, ok bool) {
	name, ok := strings.CutPrefix(step, "SCAN ")
	if !ok {
		return "", false
	}
	name, _, _ = strings.Cut(name, " ")
	// A plan has the names that the statement gives to tables.
	called := regexp.MustCompile(`(?i)\b(?:FROM|JOIN|,)\s+(\w+)\s+(?:AS\s+)?` + regexp.QuoteMeta(name) + `\b`).FindStringSubmatch(stmt)
	if called != nil {
		return called[1], true
	}
	return name, true
}

// seriesIn is a series of numbers in PostgreSQL's words, and digestIn a digest.
var (
	seriesIn = regexp.MustCompile(`generate_series\(([^,]+), (.+)\) ([ik])\b`)
	digestIn = regexp.MustCompile(`'sha256:' \|\| encode\(sha256\(\('(\w)' \|\| (k|\(k / 5\)|\(k - :r\))\)::bytea\), 'hex'\)`)
)

// fillMillionLite is fillMillion in SQLite's words, in one transaction.
func fillMillionLite(t *testing.T, pool *sql.DB, n int) map[string]int64 {
	t.Helper()
	text := digestIn.ReplaceAllStringFunc(millionSQL, func(found string) string {
		parts := digestIn.FindStringSubmatch(found)
		kind := map[string]string{"m": "a", "c": "b", "l": "c", "d": "d"}[parts[1]]
		return fmt.Sprintf("printf('sha256:%s%%063x', %s)", kind, parts[2])
	})
	text = seriesIn.ReplaceAllString(text, "(WITH RECURSIVE g($3) AS (SELECT $1 UNION ALL SELECT $3 + 1 FROM g WHERE $3 < $2) SELECT $3 FROM g)")
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, stmt := range millionStatements(text, n) {
		if strings.HasPrefix(stmt, "SET ") || stmt == "ANALYZE" {
			continue // a server of SQLite has no numbers of its tables
		}
		if _, err := tx.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return largeLite(t, pool, int64(max(largeTable, n/200)))
}

// largeLite are the tables that have as many rows, and how many.
func largeLite(t *testing.T, pool *sql.DB, least int64) map[string]int64 {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var names string
	if err := pool.QueryRowContext(ctx, "SELECT group_concat(name, ' ') FROM sqlite_master WHERE type = 'table'").Scan(&names); err != nil {
		t.Fatal(err)
	}
	large := map[string]int64{}
	for name := range strings.FieldsSeq(names) {
		var count int64
		if err := pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+name).Scan(&count); err != nil {
			t.Fatal(err)
		}
		if count >= least {
			large[name] = count
		}
	}
	if len(large) < 15 {
		t.Fatal(large)
	}
	return large
}
