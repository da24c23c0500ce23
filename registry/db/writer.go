package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// maxBatch bounds how many writes share one commit.
const maxBatch = 64

// writer owns SQLite's writing connection. Writes that arrive while it commits
// wait and then share the next commit.
type writer struct {
	pool   *sql.DB
	conn   *sql.Conn
	q      *prepared
	ids    *ids
	now    func() time.Time
	syncer *syncer
	// commits are how many there were.
	commits atomic.Int64

	jobs    chan *job
	closing chan struct{}
	ended   chan struct{}
}

type job struct {
	ctx  context.Context //nolint:containedctx // its values, for fn; it cannot be cancelled
	fn   func(context.Context, *Tx) error
	soon bool // a power cut may undo it
	err  error
	done chan struct{}
}

// startWriter begins; file is the database.
func startWriter(ctx context.Context, file string, pool *sql.DB, ids *ids, now func() time.Time) (*writer, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, Unavailable(err)
	}
	w := &writer{
		pool: pool, conn: conn, q: newPrepared(conn), ids: ids, now: now,
		jobs: make(chan *job, maxBatch), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	for _, pragma := range []string{
		// What savepoints keep of pages stays in memory: a write changes some dozens, and from
		// 64 KiB on they would go to a file of their own, made anew for each transaction.
		"PRAGMA temp_store = MEMORY",
		"PRAGMA synchronous = NORMAL", // the syncer does more
		"BEGIN IMMEDIATE", "ROLLBACK", // so that there is a log
	} {
		if _, err := conn.ExecContext(ctx, pragma); err != nil {
			return nil, errors.Join(Unavailable(err), conn.Close())
		}
	}
	if w.syncer, err = startSyncer(file); err != nil {
		return nil, errors.Join(fmt.Errorf("registry database: %w", err), conn.Close())
	}
	go w.loop() // stop waits for it
	return w, nil
}

// stop ends the loop after what it has accepted.
func (w *writer) stop() {
	close(w.closing)
	<-w.ended
}

// close releases the connection; stop comes first.
func (w *writer) close() error {
	return errors.Join(w.q.close(), w.conn.Close(), w.pool.Close(), w.syncer.log.Close())
}

// do hands fn to the writer and waits for its commit. It waits even when ctx
// ends, because the caller must know whether the write happened.
func (w *writer) do(ctx context.Context, fn func(context.Context, *Tx) error, soon bool) error {
	j := &job{ctx: context.WithoutCancel(ctx), fn: fn, soon: soon, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return errClosed
	}
	select {
	case <-j.done:
		return j.err
	case <-w.ended:
		select {
		case <-j.done: // both may be ready
			return j.err
		default:
			return errClosed
		}
	}
}

// loop runs until close, and then once more for what was queued before it.
func (w *writer) loop() {
	defer func() {
		w.syncer.stop()
		close(w.ended)
	}()
	for {
		var batch []*job
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
		case <-w.closing:
		}
		for len(batch) < maxBatch {
			select {
			case j := <-w.jobs:
				batch = append(batch, j)
				continue
			default:
			}
			break
		}
		if len(batch) == 0 {
			return
		}
		w.commit(batch)
	}
}

// commit runs the batch in one transaction, and when that cannot commit tells
// everyone in it. Who waits for a sync is told behind it.
func (w *writer) commit(batch []*job) {
	ctx := context.Background() // one client's impatience must not undo the others' writes
	err := w.transact(ctx, batch)
	var durable []*job
	for _, j := range batch {
		if j.err == nil {
			j.err = err
		}
		if j.err == nil && !j.soon {
			durable = append(durable, j)
		} else {
			close(j.done)
		}
	}
	if len(durable) > 0 {
		w.syncer.due <- durable
	}
}

func (w *writer) transact(ctx context.Context, batch []*job) error {
	if err := w.recover(ctx); err != nil {
		return Unavailable(err)
	}
	if _, err := w.q.Exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return Unavailable(err)
	}
	changed := false
	step := w.step
	if len(batch) == 1 {
		step = w.alone
	}
	for _, j := range batch {
		err := step(ctx, j)
		if err != nil {
			_, _ = w.q.Exec(ctx, "ROLLBACK") // fails only when there is nothing to roll back
			return Unavailable(err)
		}
		changed = changed || j.err == nil
	}
	if !changed {
		_, err := w.q.Exec(ctx, "ROLLBACK")
		return Unavailable(err)
	}
	if _, err := w.q.Exec(ctx, "COMMIT"); err != nil {
		_, _ = w.q.Exec(ctx, "ROLLBACK")
		return Unavailable(err)
	}
	w.commits.Add(1)
	return nil
}

// alone runs the only write of a transaction, which ends with it. Nothing else needs a
// savepoint, and without one no page is kept as it was.
func (w *writer) alone(_ context.Context, j *job) error {
	j.err = j.fn(j.ctx, &Tx{Querier: told{w.q}, Now: w.now(), ids: w.ids})
	return nil
}

// step runs one write inside its savepoint. Its own failure is in j.err; the
// error returned is one of the transaction as a whole.
func (w *writer) step(ctx context.Context, j *job) error {
	if _, err := w.q.Exec(ctx, "SAVEPOINT step"); err != nil {
		return err
	}
	_ = w.alone(ctx, j)
	if j.err != nil {
		if _, err := w.q.Exec(ctx, "ROLLBACK TO step"); err != nil {
			return err
		}
	}
	_, err := w.q.Exec(ctx, "RELEASE step")
	return err
}
