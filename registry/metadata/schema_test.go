package metadata

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/db"
)

// TestEveryStepOfTheSchemaCanBeTakenBack goes down and up every step, and wants
// the tables that were there before.
func TestEveryStepOfTheSchemaCanBeTakenBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "schema.db")
	s, err := OpenSchema(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	all, err := s.Versions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[int64]string{}
	for _, v := range all {
		if err := s.To(ctx, v.Number); err != nil {
			t.Fatal(err)
		}
		shapes[v.Number] = shape(t, file)
	}
	for i := len(all) - 2; i >= 0; i-- {
		v := all[i].Number
		if err := s.To(ctx, v); err != nil {
			t.Fatal(err)
		}
		if got := shape(t, file); got != shapes[v] {
			t.Errorf("migration %d does not undo what it does: write it behind a line \"-- down\"\n%s\nwas\n%s",
				all[i+1].Number, got, shapes[v])
		}
	}
	if err := s.To(ctx, s.Newest()); err != nil {
		t.Fatal(err)
	}
	if got := shape(t, file); got != shapes[s.Newest()] {
		t.Errorf("up again: %s", got)
	}
	for _, version := range []int64{4, s.Newest() + 1, -3} {
		if err := s.To(ctx, version); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// shape is all tables, columns and indexes.
func shape(t *testing.T, file string) string {
	t.Helper()
	pool, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	var got sql.NullString
	err = pool.QueryRowContext(t.Context(), `SELECT group_concat(line, char(10)) FROM (
		SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || COALESCE(c.dflt_value, '') AS line
			FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'goose%'
		UNION ALL SELECT sql FROM sqlite_schema WHERE type IN ('index', 'view') AND sql IS NOT NULL
			AND tbl_name NOT LIKE 'goose%' ORDER BY 1)`).Scan(&got)
	if err = errors.Join(err, pool.Close()); err != nil {
		t.Fatal(err)
	}
	return got.String
}

// TestOlderReleaseOnNewerSchema: the tables of a newer release are left alone.
func TestOlderReleaseOnNewerSchema(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "newer.db")
	m, err := Open(t.Context(), Config{DSN: file})
	if err != nil {
		t.Fatal(err)
	}
	err = m.db.Update(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
		return err
	})
	if err = errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	if m, err = Open(t.Context(), Config{DSN: file}); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSchema(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.To(t.Context(), 11); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("down from a newer release's: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
