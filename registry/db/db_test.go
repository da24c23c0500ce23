package db

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"cove/errdefs"
)

func open(t *testing.T) *DB {
	t.Helper()
	d, err := Open(t.Context(), Config{
		DSN: filepath.Join(t.TempDir(), "test.db"),
		Migrations: fstest.MapFS{
			"00001_numbers.sql": {Data: []byte("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")},
			"00002_words.sql":   {Data: []byte("CREATE TABLE words (w TEXT PRIMARY KEY)")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func add(ctx context.Context, tx *Tx, n int) error {
	_, err := tx.Exec(ctx, "INSERT INTO numbers (n) VALUES ($1)", n)
	return Unavailable(err)
}

func numbers(t *testing.T, q Querier) []int {
	t.Helper()
	got, err := All(t.Context(), q, func(s Scanner) (n int, err error) {
		err = s.Scan(&n)
		return n, err
	}, "SELECT n FROM numbers ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Writes that share a commit stand or fall alone.
func TestUpdatesStandAlone(t *testing.T) {
	t.Parallel()
	d := open(t)
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			update := d.Update
			if n%2 == 0 {
				update = d.UpdateSoon
			}
			err := update(t.Context(), func(ctx context.Context, tx *Tx) error {
				if err := add(ctx, tx, n); err != nil || n%10 != 3 {
					return err
				}
				return refused
			})
			if n%10 == 3 != errors.Is(err, refused) || n%10 != 3 && err != nil {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	wg.Wait()
	got := numbers(t, d)
	if len(got) != 90 || slices.Contains(got, 13) || !slices.Contains(got, 14) {
		t.Errorf("%d numbers are there: %v", len(got), got)
	}
}

// TestUpdateAlone: one write that nobody shares a commit with is undone when it fails,
// whatever of it was done; and so is one of many, which keeps what it changed in memory.
func TestUpdateAlone(t *testing.T) {
	t.Parallel()
	d := open(t)
	refused := errors.New("refused")
	if err := d.Update(t.Context(), func(ctx context.Context, tx *Tx) error { return add(ctx, tx, 1) }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := d.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			for n := range 2000 {
				if err := add(ctx, tx, 100+n); err != nil {
					return err
				}
			}
			return refused
		})
		if got := numbers(t, d); !errors.Is(err, refused) || !slices.Equal(got, []int{1}) {
			t.Errorf("%v, and %d numbers are there", err, len(got))
		}
	}
	if d.writer == nil {
		return
	}
	var where int
	err := d.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		return tx.Row(ctx, "PRAGMA temp_store").Scan(&where)
	})
	if err != nil || where != 2 {
		t.Errorf("savepoints are kept in %d, %v; want 2, memory", where, err)
	}
}

func TestErrorsHaveKinds(t *testing.T) {
	t.Parallel()
	d := open(t)
	err := d.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		return errors.Join(add(ctx, tx, 1), add(ctx, tx, 1))
	})
	if !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("a row twice: %v", err)
	}
	var word string
	err = NotFound(d.Row(t.Context(), "SELECT w FROM words").Scan(&word), "no word")
	if !errors.Is(err, errdefs.ErrNotFound) || err.Error() != "no word" {
		t.Errorf("an empty answer: %v", err)
	}
	if _, err := All(t.Context(), d, ScanString, "SELECT nothing"); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("a bad statement: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Update(ctx, func(context.Context, *Tx) error { return nil }); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled write: %v", err)
	}
}

func TestIDsGrow(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.NumberAfter(1 << 62)
	var last int64
	for range 3 {
		err := d.Update(t.Context(), func(_ context.Context, tx *Tx) error {
			for range 100 {
				id := tx.NewID()
				if id <= last || id <= 1<<62 {
					t.Errorf("%d after %d", id, last)
				}
				last = id
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Locks of several keys at once neither overlap nor wait for each other forever,
// whatever order they are asked for in.
func TestLock(t *testing.T) {
	t.Parallel()
	d := open(t)
	var inside [2]atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			keys := []string{"a", "b", "a"}
			if i%2 == 0 {
				slices.Reverse(keys[:2])
			}
			unlock, err := d.Lock(t.Context(), keys...)
			if err != nil {
				t.Error(err)
				return
			}
			for k := range inside {
				if inside[k].Add(1) != 1 {
					t.Error("two are inside")
				}
			}
			for k := range inside {
				inside[k].Add(-1)
			}
			unlock()
		})
	}
	wg.Wait()
	unlock, err := d.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := d.Lock(ctx, "b", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that is held: %v", err)
	}
	unlock()
	if unlock, err = d.Lock(t.Context(), "b", "a"); err != nil {
		t.Errorf("what the one who gave up had locked: %v", err)
	} else {
		unlock()
	}
}

// TestTextThatIsNone: it is kept as text, and found by what it was.
func TestTextThatIsNone(t *testing.T) {
	t.Parallel()
	d := open(t)
	err := d.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO words (w) VALUES ($1)", "a\x00\xff")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var w string
	if err := d.Row(t.Context(), "SELECT w FROM words WHERE w = $1", "a\x00\xff").Scan(&w); err != nil || w != "a\uFFFD\uFFFD" {
		t.Errorf("found %q, %v", w, err)
	}
}

// TestRowForNobody finds no row for who is gone already.
func TestRowForNobody(t *testing.T) {
	t.Parallel()
	database := open(t)
	ctx, gone := context.WithCancel(t.Context())
	gone()
	var n int
	if err := database.Row(ctx, "SELECT 1").Scan(&n); !errors.Is(err, context.Canceled) || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if err := database.Row(t.Context(), "SELECT 1").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}
