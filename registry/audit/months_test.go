package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// parts are the names of those that a table is made of.
func parts(t *testing.T, m *metadata.DB, table string) (names []string) {
	t.Helper()
	err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		all, err := partsOf(ctx, tx, table)
		for _, p := range all {
			names = append(names, p.name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// line writes a line at a time.
func line(t *testing.T, m *metadata.DB, at time.Time, object string) {
	t.Helper()
	err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "INSERT INTO audit (id, at, actor, action, object) VALUES ($1, $2, 'ann', 'a', $3)",
			db.IDAt(at), db.Micros(at), object)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func objects(t *testing.T, m *metadata.DB, q Query) string {
	t.Helper()
	q.N = 3
	return strings.Join(whole(t, New(m, auth.Judge{}), q), " ")
}

// TestMonths writes lines over two years, and has those that are too old go.
func TestMonths(t *testing.T) {
	t.Parallel()
	begin := time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
	clock := time.Now()
	m := metadatatest.Postgres(t).Open(t, func() time.Time { return clock })
	for i := range 24 {
		clock = begin.AddDate(0, i, 0)
		if i%7 != 3 { // a registry that stood still for a while
			if err := Prepare(t.Context(), m, clock); err != nil {
				t.Fatal(err)
			}
		}
		line(t, m, clock, fmt.Sprint(i))
		line(t, m, clock.AddDate(0, 0, 16), fmt.Sprint(i, "b")) // on the last of the month, or the first days of the next
	}
	before := objects(t, m, Query{})
	if n := len(strings.Fields(before)); n != 48 || !strings.HasPrefix(before, "23b 23 22b") {
		t.Errorf("lines over all months, the newest first: %s", before)
	}
	for _, table := range []string{"audit", "activity"} {
		if have := parts(t, m, table); len(have) < 24 || !slices.Contains(have, table+"_2028_06") {
			t.Errorf("parts %q", have)
		}
	}
	year := clock.AddDate(-1, 0, 0) // 2027-12-15
	removed, err := Forget(t.Context(), m, year)
	if err != nil {
		t.Fatal(err)
	}
	left := objects(t, m, Query{})
	for _, name := range parts(t, m, "audit") {
		if name > "audit_2000" && name < "audit_2027_12" {
			t.Errorf("%s is there still", name)
		}
	}
	if n := len(strings.Fields(left)); int(removed)+n != 48 || !strings.HasSuffix(left, " 11b 11 10b") {
		t.Errorf("removed %d, left %s", removed, left)
	}
	if again, err := Forget(t.Context(), m, year); err != nil || again != 0 {
		t.Errorf("again %d %v", again, err)
	}
	if n, err := Forget(t.Context(), m, clock.AddDate(5, 0, 0)); err != nil || objects(t, m, Query{}) != "23b" {
		t.Errorf("all of it: %d %v, left %s", n, err, objects(t, m, Query{}))
	}
}

// TestReceiversOfMonthsThatGo: what a receiver never gets, because its month went, is counted.
func TestReceiversOfMonthsThatGo(t *testing.T) {
	t.Parallel()
	clock := time.Now().UTC()
	m := metadatatest.Postgres(t).Open(t, func() time.Time { return clock })
	months := []time.Time{clock.AddDate(0, 3, 0), clock.AddDate(0, 4, 0), clock.AddDate(0, 5, 0)}
	for i, at := range months {
		if err := Prepare(t.Context(), m, at); err != nil {
			t.Fatal(err)
		}
		line(t, m, at, fmt.Sprint(i))
	}
	err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "INSERT INTO audit_forwards (receiver, sent, holder, until) VALUES ('far', $1, '', 0)", db.IDAt(months[0]))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	clock = months[2].AddDate(2, 0, 0)
	if _, err := Forget(t.Context(), m, months[1].AddDate(0, 0, 32)); err != nil {
		t.Fatal(err)
	}
	all, err := New(m, auth.Judge{}).Forwards(t.Context(), auth.Operator())
	if err != nil || len(all) != 1 || all[0].Lost != 1 {
		t.Errorf("forwards %+v %v", all, err)
	}
}

// TestATimeReadsItsMonths: PostgreSQL reads the months of a time alone, and the newest lines
// without sorting any.
func TestATimeReadsItsMonths(t *testing.T) {
	t.Parallel()
	clock := time.Date(2030, 1, 10, 0, 0, 0, 0, time.UTC)
	m := metadatatest.Postgres(t).Open(t, func() time.Time { return clock })
	for i := range 12 {
		at := clock.AddDate(0, i, 0)
		if err := Prepare(t.Context(), m, at); err != nil {
			t.Fatal(err)
		}
		line(t, m, at, fmt.Sprint(i))
	}
	for _, tc := range []struct {
		q    Query
		want string // the months that are read; "" are all
	}{
		{Query{Since: clock.AddDate(0, 2, 0), Until: clock.AddDate(0, 3, 5), N: 10}, "2030_03 2030_04"},
		{Query{Since: clock.AddDate(0, 2, 0), Until: clock.AddDate(0, 2, 5), Actor: "ann", N: 10}, "2030_03"},
		{Query{Before: db.IDAt(clock.AddDate(0, 5, 0)), N: 10}, ""},
		{Query{Object: "7", N: 10}, ""},
	} {
		where, args := conditions(tc.q)
		err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			if _, err := tx.Tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
				return err
			}
			text, err := db.ScanString(tx.Querier().Row(ctx, "EXPLAIN (FORMAT JSON) SELECT id, at FROM audit"+where+
				" ORDER BY id DESC LIMIT $"+fmt.Sprint(len(args)), args...))
			if err != nil {
				return err
			}
			var plans []struct{ Plan step }
			if err := json.Unmarshal([]byte(text), &plans); err != nil {
				return err
			}
			var read []string
			sorts := plans[0].Plan.walk(&read)
			slices.Sort(read)
			if got := strings.Join(slices.Compact(read), " "); tc.want != "" && got != tc.want {
				t.Errorf("%+v reads %s, want %s", tc.q, got, tc.want)
			}
			if tc.want == "" && (sorts || len(read) < 12) {
				t.Errorf("%+v: sorts %v, reads %q\n%s", tc.q, sorts, read, text)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := objects(t, m, Query{Since: clock.AddDate(0, 2, 0), Until: clock.AddDate(0, 3, 5)}); got != "3 2" {
		t.Errorf("lines of a time: %s", got)
	}
}

// step is a part of a plan.
type step struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Plans    []step `json:"Plans"`
}

// walk adds the months that are read, and says whether lines are sorted.
func (s step) walk(read *[]string) (sorts bool) {
	if s.Relation != "" {
		*read = append(*read, strings.TrimPrefix(s.Relation, "audit_"))
	}
	sorts = s.Type == "Sort"
	for _, below := range s.Plans {
		sorts = below.walk(read) || sorts
	}
	return sorts
}

// TestATableBecomesMonths goes up and down with lines of long ago, of now and of a clock that
// was wrong.
func TestATableBecomesMonths(t *testing.T) {
	t.Parallel()
	dsn, now := metadatatest.Postgres(t).New(t), time.Now()
	s, err := metadata.OpenSchema(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	pool, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	const months = 36
	to := func(version int64) {
		t.Helper()
		if err := s.To(t.Context(), version); err != nil {
			t.Fatal(err)
		}
	}
	read := func(stmt string) (all string) {
		t.Helper()
		var text sql.NullString
		if err := pool.QueryRowContext(t.Context(), stmt).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text.String
	}
	const lines = "SELECT string_agg(concat_ws(' ', id, at, actor, action, object, detail), ', ' ORDER BY id) FROM audit"
	const indexes = "SELECT string_agg(indexdef, ', ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = current_schema() AND tablename IN ('audit', 'activity')"
	to(months - 1)
	plain := read(indexes)
	for i, at := range []time.Time{now.AddDate(-3, 0, 0), now.AddDate(0, -1, 0), now, now.AddDate(0, 2, 0), now.AddDate(20, 0, 0)} {
		_, err := pool.ExecContext(t.Context(), "INSERT INTO audit (id, at, actor, action, object) VALUES ($1, $2, 'ann', 'a', $3)",
			db.IDAt(at), db.Micros(at), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
	}
	before := read(lines)
	for range 2 {
		to(months)
		if after := read(lines); after != before {
			t.Errorf("up: %s\nwas %s", after, before)
		}
		to(months - 1)
		if after := read(lines); after != before {
			t.Errorf("down: %s\nwas %s", after, before)
		}
		if after := read(indexes); after != plain {
			t.Errorf("indexes after the way down: %s\nwere %s", after, plain)
		}
	}
	m, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	later := now.AddDate(0, 2, 0)
	if err := Prepare(t.Context(), m, later); err != nil {
		t.Fatal(err)
	}
	if got := read("SELECT object FROM audit" + later.UTC().Format("_2006_01")); got != "3" {
		t.Errorf("what came before its month did not move there: %q", got)
	}
	if after := read(lines); after != before {
		t.Errorf("with the months made: %s\nwas %s", after, before)
	}
	if n, err := Forget(t.Context(), m, now.AddDate(-1, 0, 0)); err != nil || n != 1 {
		t.Errorf("of what was there before: %d %v", n, err)
	}
}
