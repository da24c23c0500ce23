package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata/metadatatest"
)

// TestPostgresHangs has a server say nothing any more, with more writers than
// connections: each is told so, and all goes on when it answers again.
func TestPostgresHangs(t *testing.T) {
	t.Parallel()
	relay, dsn := metadatatest.Through(t, metadatatest.Postgres(t).New(t))
	d, err := db.Open(t.Context(), db.Config{
		DSN: dsn + "&connect_timeout=3", Connections: 2, Silence: 2 * time.Second,
		Migrations: fstest.MapFS{"00001_numbers.sql": {Data: []byte("CREATE TABLE numbers (n BIGINT PRIMARY KEY)")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	add := func(ctx context.Context, n int) error {
		return d.Update(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO numbers (n) VALUES ($1) ON CONFLICT DO NOTHING", n)
			return db.Unavailable(err)
		})
	}
	if err := add(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for name, fail := range map[string]func(){"hangs": relay.Hang, "is gone": relay.Cut} {
		fail()
		var writers sync.WaitGroup
		for n := range 20 {
			writers.Go(func() {
				if err := add(context.WithoutCancel(t.Context()), 100+n); !errors.Is(err, errdefs.ErrUnavailable) {
					t.Errorf("%s: a write: %v", name, err)
				}
			})
		}
		writers.Wait()
		if err := d.Ping(t.Context()); !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("%s: a read: %v", name, err)
		}
		relay.Pass()
		// A connection that broke may be the next one's that is asked.
		for limit := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			err := errors.Join(d.Ping(t.Context()), add(t.Context(), len(name)))
			if err == nil {
				break
			}
			if time.Now().After(limit) {
				t.Fatalf("after it %s: %v", name, err)
			}
		}
	}
}
