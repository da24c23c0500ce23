package metadata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"
	"modernc.org/sqlite"               // the database/sql driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"cove/errdefs"
)

// Config says where the database is.
type Config struct {
	// DSN is the path of a SQLite file, or a postgres:// URL.
	DSN string
	// Connections bounds the connections; 0 means 4 readers and one writer
	// for SQLite, and 16 for PostgreSQL.
	Connections int
	// Now is the clock of created_at and its like; nil means time.Now.
	Now func() time.Time
}

// DB is the open database. It is safe for concurrent use.
type DB struct {
	Queries
	pool  *sql.DB // SQLite: the readers
	now   func() time.Time
	locks keyedMutex
	ids   *ids

	onCommit func(sequence int64) // nil without one
	reserve  Reserve              // nil without one

	// SQLite only.
	writer  *writer
	readers *prepared // over pool
}

// Open opens the database and creates or migrates its tables. Close it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	open := openSQLite
	if IsPostgres(cfg.DSN) {
		open = openPostgres
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	// A clock that was set back must not number new entries below old ones.
	newest, err := db.Sequence(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.NumberAfter(newest)
	return db, nil
}

// IsPostgres says whether a DSN names a PostgreSQL server rather than a file.
func IsPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// openSQLite opens one connection that writes and several that read. In WAL
// mode readers never wait for the writer.
func openSQLite(ctx context.Context, cfg Config) (*DB, error) {
	name := "file:" + (&url.URL{Path: cfg.DSN}).EscapedPath() + "?_pragma=busy_timeout(10000)" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	wpool, err := sql.Open("sqlite", name+"&_txlock=immediate&_pragma=cache_size(-4096)")
	if err != nil {
		return nil, fmt.Errorf("registry database %s: %w", cfg.DSN, err)
	}
	if err := migrate(ctx, wpool, false); err != nil {
		return nil, errors.Join(fmt.Errorf("registry database %s: %w", cfg.DSN, err), wpool.Close())
	}
	rpool, err := sql.Open("sqlite", name+"&_pragma=query_only(1)&_pragma=cache_size(-1024)")
	if err != nil {
		return nil, errors.Join(err, wpool.Close())
	}
	limit(rpool, cfg.Connections, 4)
	ids := &ids{}
	w, err := startWriter(ctx, wpool, ids, cfg.Now)
	if err != nil {
		return nil, errors.Join(err, rpool.Close(), wpool.Close())
	}
	readers := newPrepared(rpool)
	return &DB{Queries: Queries{q: readers}, pool: rpool, now: cfg.Now, ids: ids, writer: w, readers: readers}, nil
}

func openPostgres(ctx context.Context, cfg Config) (*DB, error) {
	pool, err := sql.Open("pgx", cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("registry database: %w", err)
	}
	limit(pool, cfg.Connections, 16)
	if err := migrate(ctx, pool, true); err != nil {
		return nil, errors.Join(fmt.Errorf("registry database: %w", err), pool.Close())
	}
	return &DB{Queries: Queries{q: plain{pool}}, pool: pool, now: cfg.Now, ids: &ids{}}, nil
}

func limit(pool *sql.DB, n, standard int) {
	if n <= 0 {
		n = standard
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
}

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return unavailable(db.q.row(ctx, "SELECT 1").Scan(&one))
}

// Close waits for the writes that were accepted and closes the database.
//
// On SQLite the readers go first: the last connection to close folds the
// write-ahead log into the file, which only the writing one may.
func (db *DB) Close() error {
	if db.writer == nil {
		return db.pool.Close()
	}
	db.writer.stop()
	return errors.Join(db.readers.close(), db.pool.Close(), db.writer.close())
}

// Queries are the reads, on what is committed or, in a Tx, on what it sees.
type Queries struct{ q querier }

// micros is a time as the tables hold it.
func micros(t time.Time) int64 { return t.UnixMicro() }

// idEpoch is when ids begin; 52 bits of microseconds last for 140 years.
const idEpoch = 1_735_689_600_000_000 // 2025-01-01

// ids makes ids that grow with time and differ within a process whatever its
// clock does. Replicas need not agree on them: of one microsecond each takes
// one of 2,048 at random.
type ids struct {
	mu   sync.Mutex
	last int64
}

func (g *ids) next(now time.Time) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last+1, (micros(now)-idEpoch)<<11|rand.Int64N(1<<11))
	return g.last
}

func (g *ids) after(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, n)
}

// unavailable marks a failure of the database itself: the same call may work
// later. A full disk is said to be one.
func unavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_FULL {
		return errdefs.Errorf(errdefs.ErrExhausted, "registry database: %w (%w)", err, syscall.ENOSPC)
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "registry database: %w", err)
}

// notFound turns an empty answer into errdefs.ErrNotFound with this message,
// and any other failure into errdefs.ErrUnavailable.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errdefs.Errorf(errdefs.ErrNotFound, format, args...)
	}
	return unavailable(err)
}
