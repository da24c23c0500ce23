package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"cove/errdefs"
	"cove/internal/filelock"
)

// downMark begins, on a line of its own, what undoes a migration.
const downMark = "-- down"

// postgresMark begins, on a line of its own, what of a part is for PostgreSQL alone.
const postgresMark = "-- postgres"

// Schema is how the tables of a database came to be, for who looks at it or moves
// it from one version to another. Close it.
type Schema struct {
	pool     *sql.DB
	provider *goose.Provider
	newest   int64
	oldest   int64
	names    map[int64]string
	lock     string // the folder by which a command and a server wait for each other; "" with PostgreSQL
}

// Version is one step of a schema.
type Version struct {
	Number int64
	Name   string
	// Applied is when the database came to it; the zero time says that it did not.
	Applied time.Time
}

// OpenSchema opens the database of cfg and changes nothing in it, but that it
// makes the table of versions where none is.
func OpenSchema(cfg Config) (*Schema, error) {
	driver, name := "sqlite", sqliteName(cfg.DSN)+"&_txlock=immediate"
	if IsPostgres(cfg.DSN) {
		driver, name = "pgx", cfg.DSN
	}
	pool, err := sql.Open(driver, name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "registry database: %w", err)
	}
	s, err := newSchema(pool, cfg)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return s, nil
}

// Close releases the connection.
func (s *Schema) Close() error { return s.pool.Close() }

func newSchema(pool *sql.DB, cfg Config) (*Schema, error) {
	s, postgres := &Schema{pool: pool, names: map[int64]string{}}, IsPostgres(cfg.DSN)
	steps, err := s.load(cfg.Migrations, postgres)
	if err != nil {
		return nil, err
	}
	dialect := database.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true)}
	if postgres {
		dialect = database.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker() // two replicas may start at once
		if err != nil {
			return nil, fmt.Errorf("locking for migration: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	} else {
		s.lock = filepath.Dir(cfg.DSN)
	}
	if s.provider, err = goose.NewProvider(dialect, pool, nil, opts...); err != nil {
		return nil, fmt.Errorf("preparing migrations: %w", err)
	}
	return s, nil
}

// migrate brings the tables to the newest schema. Migrations only add, so that
// the release before can still run on the result.
func migrate(ctx context.Context, pool *sql.DB, cfg Config) error {
	s, err := newSchema(pool, cfg)
	if err != nil {
		return err
	}
	return s.To(ctx, s.newest)
}

// Newest is the version that this release brings a database to.
func (s *Schema) Newest() int64 { return s.newest }

// Current is the version that the database is at; 0 is one without tables. It may
// be greater than Newest, when a newer release was here.
func (s *Schema) Current(ctx context.Context) (int64, error) {
	n, err := s.provider.GetDBVersion(ctx)
	return n, Unavailable(err)
}

// Versions lists what this release knows, the oldest first.
func (s *Schema) Versions(ctx context.Context) ([]Version, error) {
	status, err := s.provider.Status(ctx)
	if err != nil {
		return nil, Unavailable(err)
	}
	all := make([]Version, 0, len(status))
	for _, m := range status {
		v := Version{Number: m.Source.Version, Name: s.names[m.Source.Version]}
		if m.State == goose.StateApplied {
			v.Applied = m.AppliedAt
		}
		all = append(all, v)
	}
	return all, nil
}

// Check is nil for a version that To can bring the database to.
func (s *Schema) Check(ctx context.Context, version int64) error {
	current, err := s.Current(ctx)
	switch {
	case err != nil:
		return err
	case current > s.newest && version != s.newest:
		return errdefs.Errorf(errdefs.ErrInvalid, "the database is at version %d, of a newer release, which alone "+
			"can take its steps back; this one knows %d", current, s.newest)
	case s.names[version] == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "there is no version %d of the schema; the oldest is %d, the newest %d",
			version, s.oldest, s.newest)
	}
	return nil
}

// To moves the database to a version, up or down, each step in a transaction of
// its own. One that this release does not know is errdefs.ErrInvalid, also as the
// one that the database is at.
func (s *Schema) To(ctx context.Context, version int64) error {
	if s.lock == "" {
		return s.move(ctx, version)
	}
	held, err := filelock.OpenDir(ctx, s.lock)
	if err != nil {
		return err
	}
	return errors.Join(s.move(ctx, version), held.Close())
}

func (s *Schema) move(ctx context.Context, version int64) error {
	if err := s.Check(ctx, version); err != nil {
		return err
	}
	current, err := s.Current(ctx)
	switch {
	case err != nil:
		return err
	case current > s.newest:
		return nil // a newer release was here, and only added
	case version >= current:
		_, err = s.provider.UpTo(ctx, version)
	default:
		_, err = s.provider.DownTo(ctx, version)
	}
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// load reads NNNNN_name.sql, each one migration in one transaction. Where a column
// must sort by bytes it says /*bytewise*/, as SQLite always does.
func (s *Schema) load(migrations fs.FS, postgres bool) ([]*goose.Migration, error) {
	files, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, file := range files {
		number, name, _ := strings.Cut(strings.TrimSuffix(file, ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", file, err)
		}
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return nil, err
		}
		script := string(text)
		if postgres {
			script = strings.ReplaceAll(script, "/*bytewise*/", `COLLATE "C"`)
		}
		up, down, _ := strings.Cut(script, "\n"+downMark+"\n")
		steps = append(steps, goose.NewGoMigration(version, run(engines(up, postgres)), run(engines(down, postgres))))
		s.names[version] = strings.ReplaceAll(name, "_", " ")
		if s.oldest == 0 {
			s.oldest = version
		}
		s.newest = max(s.newest, version)
	}
	return steps, nil
}

// engines is a script without what is for PostgreSQL alone, where that is not the engine.
func engines(script string, postgres bool) string {
	both, _, marked := strings.Cut("\n"+script, "\n"+postgresMark+"\n")
	if marked && !postgres {
		return both
	}
	return script
}

func run(script string) *goose.GoFunc {
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		if !slices.ContainsFunc(strings.Split(script, "\n"), isStatement) {
			return nil
		}
		_, err := tx.ExecContext(ctx, script)
		return err
	}}
}

// isStatement says that a line of a script is more than a remark.
func isStatement(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && !strings.HasPrefix(line, "--")
}
