package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"time"

	"cove/errdefs"
	"cove/internal/limit"
)

// Hold takes a key that nobody else holds, in this process or in another, or
// fails with errdefs.ErrUnavailable: it does not wait. It is for what takes long,
// as an upload, and so costs no connection for itself; a process that dies lets go
// of all it holds. Should the connection to PostgreSQL break, another process may
// take what this one holds: who must not be mistaken about that checks a version
// when it writes. Call release once.
func (db *DB) Hold(ctx context.Context, key string) (release func(), err error) {
	unlock, err := db.held.TryLock(key)
	if errors.Is(err, limit.ErrBusy) {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "somebody else works on it")
	}
	if err != nil || db.holder == nil {
		return unlock, err
	}
	letGo, err := db.holder.take(ctx, key)
	if err != nil {
		unlock()
		return nil, err
	}
	return func() {
		letGo()
		unlock()
	}, nil
}

// holder is the connection whose session has all locks that this process holds.
type holder struct {
	pool *sql.DB

	mu   sync.Mutex
	conn *sql.Conn // nil before the first, and after it broke
}

// holdTimeout bounds each statement: none of them waits for a lock.
const holdTimeout = 10 * time.Second

// The seed keeps the keys apart from those of Lock.
const (
	tryHold = "SELECT pg_try_advisory_lock(hashtextextended($1, 1))"
	endHold = "SELECT pg_advisory_unlock(hashtextextended($1, 1))"
)

func (h *holder) take(ctx context.Context, key string) (letGo func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken, err := h.ask(ctx, tryHold, key)
	if err != nil { // the connection broke, perhaps long ago
		h.drop()
		taken, err = h.ask(ctx, tryHold, key)
	}
	if err != nil {
		h.drop()
		return nil, Unavailable(err)
	}
	if !taken {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "another server works on it")
	}
	conn := h.conn
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.conn != conn {
			return // it broke, and the lock with it
		}
		if _, err := h.ask(context.WithoutCancel(ctx), endHold, key); err != nil {
			h.drop()
		}
	}, nil
}

// ask runs a statement that says yes or no. A context that ends would break the
// connection, and all locks with it.
func (h *holder) ask(ctx context.Context, stmt, key string) (yes bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdTimeout)
	defer cancel()
	if h.conn == nil {
		if h.conn, err = h.pool.Conn(ctx); err != nil {
			return false, err
		}
	}
	err = h.conn.QueryRowContext(ctx, stmt, key).Scan(&yes)
	return yes, err
}

// drop gives up the connection. In the pool it would keep its locks.
func (h *holder) drop() {
	if h.conn == nil {
		return
	}
	_ = h.conn.Raw(func(any) error { return driver.ErrBadConn }) // so the pool does not take it back
	_ = h.conn.Close()
	h.conn = nil
}

func (h *holder) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	return h.pool.Close()
}
