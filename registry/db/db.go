// Package db is the registry's connection to its database, whichever it is:
// SQLite in a file, or PostgreSQL. It knows no table.
//
// A read goes by the [Querier] that a [DB] is and sees what is committed. A write
// is a function given to [DB.Update]. On SQLite one goroutine owns the writing
// connection and commits the functions that wait together in one transaction,
// each in its own savepoint, and another makes the log durable beside it (sync.go), so
// that many writers share one sync. On PostgreSQL each function is a transaction of its
// own, repeated when it loses to another. Both run the same statements.
package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite" // the database/sql driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"cove/errdefs"
	"cove/internal/limit"
	"cove/registry/db/clock"
	"cove/registry/db/patience"
)

// Config says where the database is.
type Config struct {
	// DSN is the path of a SQLite file, or a postgres:// URL.
	DSN string
	// Connections bounds the connections; 0 means 4 readers and one writer
	// for SQLite, and 16 for PostgreSQL, where as many more hold locks.
	Connections int
	// Now is the clock of Tx.Now and DB.Now. Without one it is PostgreSQL's, which all
	// who use it agree on, and beside SQLite this machine's.
	Now func() time.Time
	// Machine is the clock of this machine; nil means time.Now.
	Machine func() time.Time
	// Silence is how long PostgreSQL may say nothing to a statement; 0 is a minute.
	Silence time.Duration
	// Migrations are files NNNNN_name.sql, which make the tables.
	Migrations fs.FS
}

// DB is the open database, and reads what is committed. It is safe for concurrent
// use.
type DB struct {
	Querier
	pool  *sql.DB // SQLite: the readers
	now   func() time.Time
	locks limit.Keyed
	held  limit.Keyed // by Hold
	ids   *ids

	// SQLite only.
	writer      *writer
	readers     *prepared // over pool
	checkpoints *checkpointer

	// PostgreSQL only: the connections that hold locks. Of the others whoever
	// holds a lock needs one for his transaction, so that with one pool enough of
	// them would wait for each other forever.
	lockers *sql.DB
	// holder has what Hold gives out.
	holder *holder
	// turn is how long a write waits for a connection.
	turn time.Duration
	// clock is the server's, as far as it is followed.
	clock *clock.Clock
}

// Open opens the database and brings its tables to the newest schema. Close it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if IsPostgres(cfg.DSN) {
		return openPostgres(ctx, cfg)
	}
	if cfg.Now == nil {
		cfg.Now = cfg.Machine
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return openSQLite(ctx, cfg)
}

// IsPostgres says whether a DSN names a PostgreSQL server rather than a file.
func IsPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// sqliteName is a file as the driver wants it.
func sqliteName(file string) string {
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?_pragma=busy_timeout(10000)" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
}

// openSQLite opens one connection that writes and several that read. In WAL
// mode readers never wait for the writer.
func openSQLite(ctx context.Context, cfg Config) (*DB, error) {
	name := sqliteName(cfg.DSN) + "&_pragma=foreign_keys(1)"
	wpool, err := sql.Open("sqlite", name+"&_txlock=immediate&_pragma=cache_size(-4096)"+
		"&_pragma=wal_autocheckpoint("+longestLog+")")
	if err != nil {
		return nil, fmt.Errorf("registry database %s: %w", cfg.DSN, err)
	}
	if err := migrate(ctx, wpool, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("registry database %s: %w", cfg.DSN, err), wpool.Close())
	}
	rpool, err := sql.Open("sqlite", name+"&_pragma=query_only(1)&_pragma=cache_size(-1024)")
	if err != nil {
		return nil, errors.Join(err, wpool.Close())
	}
	bound(rpool, cfg.Connections, 4)
	ids := &ids{}
	w, err := startWriter(ctx, cfg.DSN, wpool, ids, cfg.Now)
	if err != nil {
		return nil, errors.Join(err, rpool.Close(), wpool.Close())
	}
	checkpoints, err := startCheckpoints(name, &w.commits)
	if err != nil {
		w.stop()
		return nil, errors.Join(err, rpool.Close(), w.close())
	}
	readers := newPrepared(rpool)
	return &DB{
		Querier: told{readers}, pool: rpool, now: cfg.Now, ids: ids, writer: w, readers: readers,
		checkpoints: checkpoints,
	}, nil
}

func openPostgres(ctx context.Context, cfg Config) (*DB, error) {
	parsed, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "registry database: %w", err)
	}
	connect := func(n, standard int, most time.Duration) *sql.DB {
		each := parsed.Copy()
		patience.Limit(each, most)
		pool := stdlib.OpenDB(*each, stdlib.OptionAfterConnect(settle))
		bound(pool, n, standard)
		return pool
	}
	// Changes of the schema take as long as they take, and so do those who wait for a lock.
	steps := connect(2, 2, 0)
	if err := errors.Join(migrate(ctx, steps, cfg), steps.Close()); err != nil {
		return nil, fmt.Errorf("registry database: %w", err)
	}
	most := cmp.Or(cfg.Silence, patience.Silence)
	pool := connect(cfg.Connections, 16, most)
	opened := &DB{
		Querier: told{plain{pool}}, pool: pool, lockers: connect(cfg.Connections, 16, 0),
		holder: &holder{pool: connect(1, 1, most)}, now: cfg.Now, ids: &ids{}, turn: most / 2,
	}
	if opened.now == nil {
		if opened.clock, err = clock.Follow(ctx, cfg.Machine, opened.asked); err != nil {
			return nil, errors.Join(Unavailable(err), opened.Close())
		}
		opened.now = opened.clock.Now
	}
	return opened, nil
}

// asked is what the server's clock says.
func (db *DB) asked(ctx context.Context) (time.Time, error) {
	var micros int64
	err := db.pool.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&micros)
	return time.UnixMicro(micros), err
}

// Now is the time that all who use the database agree on.
func (db *DB) Now() time.Time { return db.now() }

// settle has the server end the session, and its locks, of a machine that is gone
// without a word within 8 s; the kill of a process it hears of at once. And it has it
// compile no statement: each is an affair of milliseconds, which a compiler takes
// seconds to make faster where the planner has guessed too many rows.
func settle(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 2; "+
		"SET jit = off")
	return err
}

func bound(pool *sql.DB, n, standard int) {
	if n <= 0 {
		n = standard
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
}

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return Unavailable(db.Row(ctx, "SELECT 1").Scan(&one))
}

// Statements are those that SQLite has prepared so far, for tests that have them
// explained; PostgreSQL's driver keeps its own.
func (db *DB) Statements() []string {
	if db.writer == nil {
		return nil
	}
	return append(db.readers.texts(), db.writer.q.texts()...)
}

// Close waits for the writes that were accepted and closes the database.
//
// On SQLite the readers go first: the last connection to close folds the
// write-ahead log into the file, which only the writing one may.
func (db *DB) Close() error {
	if db.writer == nil {
		if db.clock != nil {
			db.clock.Close()
		}
		return errors.Join(db.holder.close(), db.lockers.Close(), db.pool.Close())
	}
	db.writer.stop()
	return errors.Join(db.readers.close(), db.pool.Close(), db.checkpoints.close(), db.writer.close())
}

// Micros is a time as tables hold it.
func Micros(t time.Time) int64 { return t.UnixMicro() }

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
	g.last = max(g.last+1, (Micros(now)-idEpoch)<<11|rand.Int64N(1<<11))
	return g.last
}

// IDAt is smaller than the ids of all that is made at a time or after it.
func IDAt(at time.Time) int64 { return (Micros(at) - idEpoch) << 11 }

// TimeOf is when an id was made.
func TimeOf(id int64) time.Time { return time.UnixMicro(id>>11 + idEpoch) }

func (g *ids) after(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, n)
}

// diskFull is PostgreSQL's "could not extend file" (appendix A of its manual).
const diskFull = "53100"

// Unavailable marks a failure of the database itself: the same call may work
// later. A full disk is said to be one.
func Unavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var lite *sqlite.Error
	var pg *pgconn.PgError
	if errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_FULL ||
		errors.As(err, &pg) && pg.Code == diskFull ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errdefs.Errorf(errdefs.ErrExhausted, "registry database: %w (%w)", err, syscall.ENOSPC)
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "registry database: %w", err)
}

// Damaged says whether SQLite found its file to be none, or one that is broken.
func Damaged(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	code := lite.Code() & 0xff
	return code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_CORRUPT
}

// NotFound turns an empty answer into errdefs.ErrNotFound with this message,
// and any other failure into errdefs.ErrUnavailable.
func NotFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errdefs.Errorf(errdefs.ErrNotFound, format, args...)
	}
	return Unavailable(err)
}
