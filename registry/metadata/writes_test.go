package metadata_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestWrites has two who know the same version of a write save it: one does.
func TestWrites(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db, ctx := open(t, now), t.Context()
		save := func(version int64, state string) error {
			return db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
				return tx.SaveWrite(ctx, metadata.Write{ID: "a", State: state, Version: version})
			})
		}
		if _, err := db.Write(ctx, "a"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("before the first: %v", err)
		}
		for version, want := range []error{nil, nil, nil} {
			if err := save(int64(version), "first"); !errors.Is(err, want) {
				t.Fatal(version, err)
			}
			if err := save(int64(version), "second"); !errors.Is(err, errdefs.ErrConflict) {
				t.Errorf("version %d again: %v", version, err)
			}
		}
		drop := func(version int64) {
			update(t, db, func(ctx context.Context, tx *metadata.Tx) error { return tx.DropWrite(ctx, "a", version) })
		}
		drop(2) // somebody else went on with it
		w, err := db.Write(ctx, "a")
		if err != nil || w.State != "first" || w.Version != 3 || !w.SavedAt.Equal(now()) {
			t.Errorf("%+v, %v", w, err)
		}
		all, err := db.Writes(ctx, "", 10)
		if err != nil || len(all) != 1 || all[0] != w {
			t.Errorf("%+v, %v", all, err)
		}
		drop(3)
		if all, err := db.Writes(ctx, "", 10); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// TestHold has two servers want the same, and one of them die.
func TestHold(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), metadatatest.Postgres(t).New(t)
	servers := make([]*metadata.DB, 2)
	for i := range servers {
		db, err := metadata.Open(ctx, metadata.Config{DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		servers[i] = db
	}
	hold := func(i int, key string, want error) func() {
		t.Helper()
		release, err := servers[i].Hold(ctx, key)
		if !errors.Is(err, want) {
			t.Fatalf("server %d, %s: %v, want %v", i, key, err, want)
		}
		return release
	}
	release := hold(0, "a", nil)
	hold(0, "a", errdefs.ErrUnavailable)
	hold(1, "a", errdefs.ErrUnavailable)
	hold(1, "b", nil)()
	release()
	release = hold(1, "a", nil)
	hold(0, "a", errdefs.ErrUnavailable)

	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory' AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	next := func() func() {
		for range 100 {
			if release, err := servers[0].Hold(ctx, "a"); err == nil {
				return release
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal("what a dead server held is not free")
		return nil
	}()
	release() // of a lock that is lost: it takes nothing from who has it now
	hold(1, "c", nil)()
	hold(1, "a", errdefs.ErrUnavailable)
	next()
	hold(1, "a", nil)()
	if err := servers[0].Close(); err != nil {
		t.Error(err)
	}
}
