package db

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// migrate brings the tables to the newest schema. Migrations only add, so that
// the release before can still run on the result.
func migrate(ctx context.Context, pool *sql.DB, migrations fs.FS, postgres bool) error {
	steps, err := loadMigrations(migrations, postgres)
	if err != nil {
		return err
	}
	dialect := database.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true)}
	if postgres {
		dialect = database.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker() // two replicas may start at once
		if err != nil {
			return fmt.Errorf("locking for migration: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, pool, nil, opts...)
	if err != nil {
		return fmt.Errorf("preparing migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// loadMigrations reads NNNNN_name.sql, each one migration in one transaction.
// Where a column must sort by bytes it says /*bytewise*/, as SQLite always does.
func loadMigrations(migrations fs.FS, postgres bool) ([]*goose.Migration, error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, err
		}
		script := string(text)
		if postgres {
			script = strings.ReplaceAll(script, "/*bytewise*/", `COLLATE "C"`)
		}
		steps = append(steps, goose.NewGoMigration(version, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, script)
				return err
			},
		}, nil))
	}
	return steps, nil
}
