package metadata

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// querier runs statements; a pool, a connection and a transaction each are one.
type querier interface {
	row(ctx context.Context, stmt string, args ...any) scanner
	rows(ctx context.Context, stmt string, args ...any) (*sql.Rows, error)
	exec(ctx context.Context, stmt string, args ...any) (changed int64, err error)
}

type scanner interface{ Scan(dest ...any) error }

// plain leaves preparing to the driver, as pgx does by itself.
type plain struct {
	sqlQuerier
}

type sqlQuerier interface {
	QueryContext(ctx context.Context, stmt string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, stmt string, args ...any) *sql.Row
	ExecContext(ctx context.Context, stmt string, args ...any) (sql.Result, error)
}

func (p plain) row(ctx context.Context, stmt string, args ...any) scanner {
	return p.QueryRowContext(ctx, stmt, args...)
}

func (p plain) rows(ctx context.Context, stmt string, args ...any) (*sql.Rows, error) {
	return p.QueryContext(ctx, stmt, args...)
}

func (p plain) exec(ctx context.Context, stmt string, args ...any) (int64, error) {
	return affected(p.ExecContext(ctx, stmt, args...))
}

// prepared keeps each statement prepared from its first use on: parsing SQL is
// most of the cost of a small SQLite query. The statements are constants of
// this package, so they are few.
type prepared struct {
	preparer
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

type preparer interface {
	PrepareContext(ctx context.Context, stmt string) (*sql.Stmt, error)
}

func newPrepared(p preparer) *prepared {
	return &prepared{preparer: p, stmts: map[string]*sql.Stmt{}}
}

func (p *prepared) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	p.mu.RLock()
	s := p.stmts[text]
	p.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	s, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if won := p.stmts[text]; won != nil {
		return won, s.Close()
	}
	p.stmts[text] = s
	return s, nil
}

func (p *prepared) row(ctx context.Context, text string, args ...any) scanner {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return failed{err}
	}
	return s.QueryRowContext(ctx, args...)
}

func (p *prepared) rows(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p *prepared) exec(ctx context.Context, text string, args ...any) (int64, error) {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return 0, err
	}
	return affected(s.ExecContext(ctx, args...))
}

// close releases the statements; an open one would keep SQLite's connection
// half closed and its write-ahead log unfolded.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.stmts {
		errs = append(errs, s.Close())
	}
	clear(p.stmts)
	return errors.Join(errs...)
}

type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// all runs a query and scans every row of the answer by scan.
func all[T any](ctx context.Context, q querier, scan func(scanner) (T, error), stmt string, args ...any) ([]T, error) {
	rows, err := q.rows(ctx, stmt, args...)
	if err != nil {
		return nil, unavailable(err)
	}
	defer func() { _ = rows.Close() }()
	var got []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, unavailable(err)
		}
		got = append(got, v)
	}
	return got, unavailable(rows.Err())
}

func scanString(s scanner) (text string, err error) {
	err = s.Scan(&text)
	return text, err
}
