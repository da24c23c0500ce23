// Package dump copies a registry's database, whichever it is, into a file of
// SQLite, and such a file into a database of either kind. It knows no table: what
// there is to copy the file itself says.
//
// A copy is of one moment, and is made while others write.
package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/db/kept"
)

// versions is the table of the schema's own versions, which both sides have.
const versions = "goose_db_version"

// Write copies the database of cfg, at the version that it is at, into a file that
// is not there yet.
func Write(ctx context.Context, cfg db.Config, file string) error {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return errdefs.Errorf(errdefs.ErrConflict, "%s is there already", file)
	}
	// SQLite would make it readable for all.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if db.IsPostgres(cfg.DSN) {
		err = fromPostgres(ctx, cfg, file)
	} else {
		err = fromSQLite(ctx, cfg.DSN, file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copying the database: %w", err), os.Remove(file))
	}
	return sync(file)
}

// fromSQLite has SQLite write a compact copy. Who writes meanwhile does not wait.
func fromSQLite(ctx context.Context, from, to string) error {
	pool, err := openFile(from, "&mode=ro")
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO $1", to)
	return errors.Join(db.Unavailable(err), pool.Close())
}

// fromPostgres makes the tables of the version that the server is at, and copies
// their rows as one transaction sees them.
func fromPostgres(ctx context.Context, cfg db.Config, file string) error {
	version, err := versionOf(ctx, cfg)
	if err != nil {
		return err
	}
	if err := prepare(ctx, db.Config{DSN: file, Migrations: cfg.Migrations}, version); err != nil {
		return err
	}
	return both(ctx, cfg.DSN, file, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		func(server, copied *sql.Tx) error { return rows(ctx, copied, server, copied) })
}

// Read fills the database of cfg, which holds no tables, or those of a Read that
// was cut off, with what a file has. It is then at the version of the file.
func Read(ctx context.Context, file string, cfg db.Config) error {
	version, err := versionOf(ctx, db.Config{DSN: file, Migrations: cfg.Migrations})
	if err != nil {
		return err
	}
	if err := prepare(ctx, cfg, version); err != nil {
		return err
	}
	err = both(ctx, cfg.DSN, file, nil, func(server, saved *sql.Tx) error { return rows(ctx, saved, saved, server) })
	if err != nil {
		return fmt.Errorf("filling the database: %w", err)
	}
	return nil
}

// Check reads a whole file and says whether SQLite finds it consistent.
func Check(ctx context.Context, file string) error {
	pool, err := openFile(file, "&mode=ro&immutable=1")
	if err != nil {
		return err
	}
	var verdict string
	err = pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict)
	switch err = errors.Join(err, pool.Close()); {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrCorrupt, "the copy of the database cannot be read: %w", err)
	case verdict != "ok":
		return errdefs.Errorf(errdefs.ErrCorrupt, "the copy of the database is damaged: %s", verdict)
	}
	return nil
}

func openFile(name, options string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+(&url.URL{Path: name}).EscapedPath()+"?_pragma=busy_timeout(10000)"+options)
}

func versionOf(ctx context.Context, cfg db.Config) (int64, error) {
	s, err := db.OpenSchema(cfg)
	if err != nil {
		return 0, err
	}
	version, err := s.Current(ctx)
	return version, errors.Join(err, s.Close())
}

func prepare(ctx context.Context, cfg db.Config, version int64) error {
	s, err := db.OpenSchema(cfg)
	if err != nil {
		return err
	}
	return errors.Join(s.To(ctx, version), s.Close())
}

// both runs do with a transaction on the server and one on the file.
func both(
	ctx context.Context, server, file string, opts *sql.TxOptions, do func(server, file *sql.Tx) error,
) (err error) {
	remote, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remote.Close()) }()
	local, err := openFile(file, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.Close()) }()
	there, err := remote.BeginTx(ctx, opts)
	if err != nil {
		return db.Unavailable(err)
	}
	here, err := local.BeginTx(ctx, nil)
	if err == nil {
		if err = do(there, here); err == nil {
			return errors.Join(db.Unavailable(here.Commit()), db.Unavailable(there.Commit()))
		}
		_ = here.Rollback() // the reason is err
	}
	_ = there.Rollback() // the reason is err
	return err
}

// rows copies every table that the file has.
func rows(ctx context.Context, file, from, to *sql.Tx) error {
	tables, err := tablesOf(ctx, file)
	if err != nil {
		return err
	}
	for _, t := range slices.Backward(tables) { // those that a migration has filled
		if _, err := to.ExecContext(ctx, "DELETE FROM "+t.name); err != nil {
			return db.Unavailable(err)
		}
	}
	for _, t := range tables {
		if err := t.copy(ctx, from, to); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	return nil
}

// perInsert is how many rows one statement carries.
const perInsert = 200

type table struct {
	name    string
	columns []string
	parents []string // tables whose rows must be there first
}

// tablesOf lists the tables of the file, parents first.
func tablesOf(ctx context.Context, file *sql.Tx) (sorted []table, err error) {
	names, err := texts(ctx, file, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' "+
		"AND name <> $1 ORDER BY name", versions)
	if err != nil {
		return nil, err
	}
	placed := map[string]bool{}
	var place func(name string) error
	place = func(name string) (err error) {
		if placed[name] {
			return nil
		}
		placed[name] = true
		t := table{name: name}
		t.columns, err = texts(ctx, file, "SELECT name FROM pragma_table_info($1) ORDER BY cid", name)
		if err != nil {
			return err
		}
		t.parents, err = texts(ctx, file, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)`, name)
		if err != nil {
			return err
		}
		for _, parent := range t.parents {
			if err := place(parent); err != nil {
				return err
			}
		}
		sorted = append(sorted, t)
		return nil
	}
	for _, name := range names {
		if err := place(name); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}

func texts(ctx context.Context, tx *sql.Tx, stmt string, args ...any) (all []string, err error) {
	rows, err := tx.QueryContext(ctx, stmt, args...)
	if err != nil {
		return nil, db.Unavailable(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, db.Unavailable(err)
		}
		all = append(all, text)
	}
	return all, db.Unavailable(rows.Err())
}

func (t table) copy(ctx context.Context, from, to *sql.Tx) error {
	got, err := from.QueryContext(ctx, "SELECT "+strings.Join(t.columns, ", ")+" FROM "+t.name)
	if err != nil {
		return db.Unavailable(err)
	}
	defer func() { _ = got.Close() }()
	var waiting []any
	put := func(atLeast int) error {
		if n := len(waiting) / len(t.columns); n < atLeast || n == 0 {
			return nil
		}
		_, err := to.ExecContext(ctx, t.insert(len(waiting)/len(t.columns)), kept.Texts(waiting)...)
		waiting = waiting[:0]
		return db.Unavailable(err)
	}
	for got.Next() {
		row := make([]any, len(t.columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := got.Scan(into...); err != nil {
			return db.Unavailable(err)
		}
		waiting = append(waiting, row...)
		if err := put(perInsert); err != nil {
			return err
		}
	}
	if err := got.Err(); err != nil {
		return db.Unavailable(err)
	}
	return put(1)
}

// insert is the statement for n rows.
func (t table) insert(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", t.name, strings.Join(t.columns, ", "))
	for row := range n {
		for column := range t.columns {
			switch {
			case column > 0:
				b.WriteString(", ")
			case row > 0:
				b.WriteString("), (")
			default:
				b.WriteString("(")
			}
			fmt.Fprintf(&b, "$%d", row*len(t.columns)+column+1)
		}
	}
	b.WriteString(")")
	return b.String()
}

func sync(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
