package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// synced opens a database whose syncs go through a test.
func synced(t *testing.T, sync func(real func() error) error) *DB {
	t.Helper()
	d, err := Open(t.Context(), Config{DSN: filepath.Join(t.TempDir(), "test.db"), Migrations: fstest.MapFS{
		"00001_test.sql": {Data: []byte("CREATE TABLE things (id BIGINT PRIMARY KEY, text TEXT NOT NULL);\n\n-- down\nDROP TABLE things;\n")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	before := d.writer.syncer.sync
	// The syncer reads it behind a channel, on which nothing was sent yet.
	d.writer.syncer.sync = func() error { return sync(before) }
	return d
}

func put(ctx context.Context, d *DB, id int, soon bool) error {
	write := d.Update
	if soon {
		write = d.UpdateSoon
	}
	return write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO things (id, text) VALUES ($1, $2)", id, fmt.Sprint(id))
		return err
	})
}

func rows(t *testing.T, d *DB) (n int) {
	t.Helper()
	if err := d.Row(t.Context(), "SELECT COUNT(*) FROM things").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 2000 {
		if so() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// TestToldBehindTheSync: nobody hears of a write before a sync that began after it; those
// that come while one goes on share the next; and what may be lost waits for none.
func TestToldBehindTheSync(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) }) // after the database is closed, which may write
	entered, leave := make(chan int), make(chan struct{})
	var d *DB
	d = synced(t, func(real func() error) error {
		var n int
		_ = d.Row(context.Background(), "SELECT COUNT(*) FROM things").Scan(&n)
		entered <- n
		<-leave
		return real()
	})
	const writers = 20
	var mu sync.Mutex
	told := 0
	var all sync.WaitGroup
	write := func(id int) {
		all.Go(func() {
			if err := put(t.Context(), d, id, false); err != nil {
				t.Error(err)
			}
			mu.Lock()
			told++
			mu.Unlock()
		})
	}
	now := func() int {
		mu.Lock()
		defer mu.Unlock()
		return told
	}
	write(0)
	if n := <-entered; n != 1 {
		t.Errorf("the sync begins before the commit: %d rows", n)
	}
	for id := 1; id < writers; id++ {
		write(id)
	}
	if err := put(t.Context(), d, writers, true); err != nil { // it waits for no sync
		t.Error(err)
	}
	until(t, "the commits", func() bool { return rows(t, d) == writers+1 })
	if n := now(); n != 0 {
		t.Errorf("%d are told before the first sync has ended", n)
	}
	leave <- struct{}{}
	if n := <-entered; n != writers+1 {
		t.Errorf("the second sync is for %d rows", n)
	}
	until(t, "the first writer", func() bool { return now() == 1 })
	leave <- struct{}{}
	all.Wait()
	if n := d.writer.syncer.syncs.Load(); n != 2 {
		t.Errorf("%d syncs for %d writes", n, writers)
	}
	close(leave)
	go func() {
		for { // those of other writes
			select {
			case <-entered:
			case <-over:
				return
			}
		}
	}()
}

// TestFailedSync: who waits for a sync that fails is refused, with all that was committed
// behind it; before the next write what is in the log is brought into the file, and the
// log begins anew.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	fail := false
	d := synced(t, func(real func() error) error {
		mu.Lock()
		defer mu.Unlock()
		if fail {
			return unix.EIO
		}
		return real()
	})
	set := func(f bool) {
		mu.Lock()
		fail = f
		mu.Unlock()
	}
	if err := put(t.Context(), d, 1, false); err != nil {
		t.Fatal(err)
	}
	set(true)
	if err := put(t.Context(), d, 2, false); !errors.Is(err, errdefs.ErrUnavailable) || !errors.Is(err, unix.EIO) {
		t.Fatalf("a disk that fails: %v", err)
	}
	if !d.writer.syncer.lost.Load() {
		t.Error("it is forgotten")
	}
	set(false)
	if err := put(t.Context(), d, 3, false); err != nil {
		t.Fatal(err)
	}
	if d.writer.syncer.lost.Load() {
		t.Error("it is not mended")
	}
	if n := rows(t, d); n != 3 {
		t.Errorf("%d rows", n)
	}
}
