package db

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cove/errdefs"
	"cove/registry/span"
)

// Tx is one write in progress. It is not safe for concurrent use.
type Tx struct {
	Querier
	// Now is the time of this write.
	Now time.Time
	// ForUpdate, ForShare and SkipLocked end a SELECT whose rows are to be held
	// until the commit, where the database has several writers; elsewhere they
	// are "".
	ForUpdate, ForShare, SkipLocked string

	ids *ids
}

// NewID makes an id that is greater than those before it.
func (tx *Tx) NewID() int64 { return tx.ids.next(tx.Now) }

// NumberAfter has all ids that follow be greater than n.
func (db *DB) NumberAfter(n int64) { db.ids.after(n) }

// Update runs fn in a transaction and returns nil when its effects are durable.
// The error of fn rolls it back and is returned as it is; a failure of the
// database is errdefs.ErrUnavailable. fn may run more than once.
//
// Once fn has begun, a cancelled ctx no longer stops it: its commit may be
// shared with others, and who is cancelled could not know whether it happened.
// fn's own ctx carries the values of this one.
func (db *DB) Update(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.update(ctx, fn, false)
}

// UpdateSoon is Update for what may be lost in a power cut, though not by a
// kill, because whoever hears of it can begin again: it waits for no fsync.
func (db *DB) UpdateSoon(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.update(ctx, fn, true)
}

func (db *DB) update(ctx context.Context, fn func(context.Context, *Tx) error, soon bool) (err error) {
	ctx, end := span.Start(ctx, span.Database, "transaction")
	defer func() { end(err) }()
	if db.writer != nil {
		return db.writer.do(ctx, fn, soon)
	}
	const attempts = 8
	for n := 1; ; n++ {
		err := db.updatePostgres(ctx, fn, soon)
		if n == attempts || !lostToAnother(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(n) * 5 * time.Millisecond):
		}
	}
}

func (db *DB) updatePostgres(ctx context.Context, fn func(context.Context, *Tx) error, soon bool) error {
	conn, err := db.connection(ctx)
	if err != nil {
		return Unavailable(err)
	}
	defer conn.Close()
	ctx = context.WithoutCancel(ctx) // a commit that is cancelled may have happened
	sqltx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return Unavailable(err)
	}
	tx := &Tx{
		Querier: told{plain{sqltx}}, Now: db.now(), ids: db.ids,
		ForUpdate: " FOR UPDATE", ForShare: " FOR SHARE", SkipLocked: " FOR UPDATE SKIP LOCKED",
	}
	if soon {
		_, err = sqltx.ExecContext(ctx, "SET LOCAL synchronous_commit = off")
	}
	if err == nil {
		err = fn(ctx, tx)
	}
	if err != nil {
		_ = sqltx.Rollback() // the reason is err
		return err
	}
	return Unavailable(sqltx.Commit())
}

// connection is one for a write. When the server hangs, all are taken for a while, and
// who waits for one must not wait for all that came before.
func (db *DB) connection(ctx context.Context) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, db.turn)
	defer cancel()
	return db.pool.Conn(ctx)
}

// lostToAnother says that PostgreSQL ended a transaction in favour of another.
func lostToAnother(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "40001" || pg.Code == "40P01" // serialization_failure, deadlock_detected
}

// Lock holds several keys at once against everyone else who locks them, in this
// process and in others. It takes them in their order. Call unlock once.
func (db *DB) Lock(ctx context.Context, keys ...string) (unlock func(), err error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	var held []func()
	release := func() {
		for _, unlock := range held {
			unlock()
		}
	}
	for _, key := range keys {
		unlock, err := db.locks.Lock(ctx, key)
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, unlock)
	}
	if db.writer != nil || len(keys) == 0 {
		return release, nil // one process owns the file
	}
	tx, err := db.lockers.BeginTx(ctx, nil)
	if err != nil {
		release()
		return nil, Unavailable(err)
	}
	if _, err := tx.ExecContext(ctx, lockAll, keys); err != nil {
		_ = tx.Rollback()
		release()
		return nil, Unavailable(err)
	}
	return func() {
		_ = tx.Rollback() // a lost connection has released the lock already
		release()
	}, nil
}

// lockAll takes locks in the order of the array.
const lockAll = "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest($1::text[]) AS key"

// errClosed is what writes get after Close.
var errClosed = errdefs.Errorf(errdefs.ErrUnavailable, "registry database: closed")
