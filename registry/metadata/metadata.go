package metadata

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

	"cove/registry/db"
	"cove/registry/metadata/people"
	"cove/registry/metadata/usage"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config says where the database is.
type Config struct {
	// DSN is the path of a SQLite file, or a postgres:// URL.
	DSN string
	// Connections bounds the connections; 0 means 4 readers and one writer
	// for SQLite, and 16 for PostgreSQL.
	Connections int
	// Now is the clock of created_at and its like, and Machine the machine's; see
	// [db.Config].
	Now, Machine func() time.Time
}

// DB is the open database. It is safe for concurrent use.
type DB struct {
	Queries
	db       *db.DB
	onCommit func(sequence int64) // nil without one
	onNear   func(context.Context, *Tx, usage.Near) error
	reserve  Reserve // nil without one
}

// Connection is how package db opens it, with the steps of the schema, which are
// part of the program.
func (c Config) Connection() db.Config {
	schema, err := fs.Sub(migrations, "migrations")
	if err != nil {
		schema = migrations // it has none of them at its top, which Open says
	}
	return db.Config{DSN: c.DSN, Connections: c.Connections, Now: c.Now, Machine: c.Machine, Migrations: schema}
}

// OpenSchema opens the database for who looks at the versions of its tables, or
// moves it from one to another. Close it.
func OpenSchema(dsn string) (*db.Schema, error) { return db.OpenSchema(Config{DSN: dsn}.Connection()) }

// Open opens the database and creates or migrates its tables. Close it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	opened, err := db.Open(ctx, cfg.Connection())
	if err != nil {
		return nil, err
	}
	m := &DB{Queries: queries(opened), db: opened}
	// A clock that was set back must not number new entries below old ones.
	newest, err := m.Sequence(ctx)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.NumberAfter(newest)
	return m, nil
}

// Ping says whether the database answers.
func (m *DB) Ping(ctx context.Context) error { return m.db.Ping(ctx) }

// Now is the time that all servers of the registry agree on: whatever is compared with
// times of the tables, or kept in them, is of this clock.
func (m *DB) Now() time.Time { return m.db.Now() }

// Close waits for the writes that were accepted and closes the database.
func (m *DB) Close() error { return m.db.Close() }

// Queries are the reads, on what is committed or, in a Tx, on what it sees.
type Queries struct {
	people.Queries
	q db.Querier
}

func queries(q db.Querier) Queries { return Queries{people.Queries{Q: q}, q} }

// The rows of package people, as this package's callers know them.
type (
	User     = people.User
	Standing = people.Standing
	Grant    = people.Grant
)

// Querier runs the statements of a package that keeps its own about these tables.
func (q Queries) Querier() db.Querier { return q.q }
