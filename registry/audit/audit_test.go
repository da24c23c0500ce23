package audit

import (
	"context"
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

// TestFilters asks for lines by each of the filters, in pages.
func TestFilters(t *testing.T) {
	metadatatest.Each(t, func(t *testing.T, open func(t testing.TB, now func() time.Time) *metadata.DB) {
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		clock := begin
		m := open(t, func() time.Time { return clock })
		for i := range 12 {
			clock = begin.Add(time.Duration(i) * time.Hour)
			by := auth.Caller{Name: []string{"ann", "bob"}[i%2]}
			err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				return Record(ctx, tx, by, Change{Action: []string{"a", "b", "c"}[i%3], Object: fmt.Sprint(i)})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		log := New(m, auth.Judge{})
		for want, q := range map[string]Query{
			"11 10 9 8 7 6 5 4 3 2 1 0": {},
			"10 8 6 4 2 0":              {Actor: "ann"},
			"10 4":                      {Actor: "ann", Action: "b"},
			"7":                         {Object: "7"},
			"":                          {Object: "7", Actor: "ann"},
			"3 2":                       {Since: begin.Add(2 * time.Hour), Until: begin.Add(4 * time.Hour)},
		} {
			for _, n := range []int{1, 2, 5, 50} {
				q.N = n
				if got := strings.Join(whole(t, log, q), " "); got != want {
					t.Errorf("%+v: %q, want %q", q, got, want)
				}
			}
		}
	})
}

// whole reads a list in pages, and says the objects of its lines.
func whole(t *testing.T, log *Log, q Query) (objects []string) {
	t.Helper()
	for more := true; more; {
		var page []Event
		var err error
		if page, more, err = log.Page(t.Context(), auth.Operator(), q); err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			objects = append(objects, e.Object)
			q.Before = e.ID
		}
	}
	return objects
}

// TestEveryFilterHasAnIndex explains the statements: none may read or sort all lines.
func TestEveryFilterHasAnIndex(t *testing.T) {
	t.Parallel()
	m := metadatatest.OpenSQLite(t, nil)
	for filter, index := range map[string]string{
		"": "sqlite_autoindex_audit", "WHERE actor = $1": "audit_actor", "WHERE action = $1": "audit_action",
		"WHERE object = $1": "audit_object", "WHERE object = $1 AND id < 9": "audit_object",
	} {
		args := []any{"x"}[:strings.Count(filter, "$")]
		steps, err := db.All(t.Context(), m.Querier(), func(s db.Scanner) (detail string, err error) {
			var id, parent, unused int
			err = s.Scan(&id, &parent, &unused, &detail)
			return detail, err
		}, "EXPLAIN QUERY PLAN SELECT id, at FROM audit "+filter+" ORDER BY id DESC LIMIT 10", args...)
		if err != nil || !strings.Contains(strings.Join(steps, " "), index) ||
			slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "TEMP B-TREE") }) {
			t.Errorf("%s: %q, %v", filter, steps, err)
		}
	}
}
