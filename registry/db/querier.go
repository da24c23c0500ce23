package db

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"

	"cove/registry/db/kept"
	"cove/registry/span"
)

// Querier runs statements, with parameters $1, $2 and so on; a pool, a connection and a transaction each are one.
type Querier interface {
	Row(ctx context.Context, stmt string, args ...any) Scanner
	Rows(ctx context.Context, stmt string, args ...any) (*sql.Rows, error)
	Exec(ctx context.Context, stmt string, args ...any) (changed int64, err error)
}

// Scanner is one row of an answer.
type Scanner interface{ Scan(dest ...any) error }

// plain leaves preparing to the driver, as pgx does by itself.
type plain struct {
	sqlQuerier
}

type sqlQuerier interface {
	QueryContext(ctx context.Context, stmt string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, stmt string, args ...any) *sql.Row
	ExecContext(ctx context.Context, stmt string, args ...any) (sql.Result, error)
}

func (p plain) Row(ctx context.Context, stmt string, args ...any) Scanner {
	return p.QueryRowContext(ctx, stmt, args...)
}

func (p plain) Rows(ctx context.Context, stmt string, args ...any) (*sql.Rows, error) {
	return p.QueryContext(ctx, stmt, args...)
}

func (p plain) Exec(ctx context.Context, stmt string, args ...any) (int64, error) {
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

func (p *prepared) Row(ctx context.Context, text string, args ...any) Scanner {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return failed{err}
	}
	// To end it when a client is gone takes two goroutines, more than to find a row.
	if err := ctx.Err(); err != nil {
		return failed{err}
	}
	return s.QueryRowContext(context.WithoutCancel(ctx), args...)
}

func (p *prepared) Rows(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p *prepared) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	s, err := p.stmt(ctx, text)
	if err != nil {
		return 0, err
	}
	return affected(s.ExecContext(ctx, args...))
}

func (p *prepared) texts() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Collect(maps.Keys(p.stmts))
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

// told tells each statement to the span of its context, if that has one, and has its
// arguments be what a database takes.
type told struct{ Querier }

func (t told) Row(ctx context.Context, stmt string, args ...any) Scanner {
	args = kept.Texts(args)
	parent := span.Of(ctx)
	if parent == nil {
		return t.Querier.Row(ctx, stmt, args...)
	}
	return toldRow{t.Querier, ctx, parent, stmt, args}
}

func (t told) Rows(ctx context.Context, stmt string, args ...any) (*sql.Rows, error) {
	_, end := span.Start(ctx, span.Database, stmt)
	rows, err := t.Querier.Rows(ctx, stmt, kept.Texts(args)...)
	end(err)
	return rows, err
}

func (t told) Exec(ctx context.Context, stmt string, args ...any) (int64, error) {
	_, end := span.Start(ctx, span.Database, stmt)
	n, err := t.Querier.Exec(ctx, stmt, kept.Texts(args)...)
	end(err)
	return n, err
}

// toldRow asks when it is scanned, which ends its span.
type toldRow struct {
	q      Querier
	ctx    context.Context //nolint:containedctx // of the one call that it is
	parent span.Span
	stmt   string
	args   []any
}

func (t toldRow) Scan(dest ...any) error {
	s := t.parent.Child(span.Database, t.stmt)
	err := t.q.Row(t.ctx, t.stmt, t.args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		s.End(nil)
	} else {
		s.End(err)
	}
	return err
}

type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// All runs a query and scans every row of the answer by scan. A failure is
// errdefs.ErrUnavailable.
func All[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), stmt string, args ...any) ([]T, error) {
	var got []T
	err := Each(ctx, q, func(s Scanner) (bool, error) {
		v, err := scan(s)
		if err == nil {
			got = append(got, v)
		}
		return true, err
	}, stmt, args...)
	if err != nil {
		return nil, err
	}
	return got, nil
}

// Each runs a query and calls row with every row of the answer, until that says
// not to go on: the rest is then not read. A failure is errdefs.ErrUnavailable.
func Each(ctx context.Context, q Querier, row func(Scanner) (goOn bool, err error), stmt string, args ...any) error {
	rows, err := q.Rows(ctx, stmt, args...)
	if err != nil {
		return Unavailable(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		goOn, err := row(rows)
		if err != nil || !goOn {
			return Unavailable(err)
		}
	}
	return Unavailable(rows.Err())
}

// ScanString is a scan for All of one column of text.
func ScanString(s Scanner) (text string, err error) {
	err = s.Scan(&text)
	return text, err
}

// Number is a truth as tables hold it.
func Number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// AnyCase is a column with the operator that compares it with a pattern in small letters,
// large letters as small ones.
func AnyCase(q Querier, column string) string {
	lite := false
	switch q := q.(type) {
	case *DB:
		lite = q.writer != nil
	case *Tx:
		lite = q.ForUpdate == ""
	}
	if lite {
		return column + " LIKE" // which is like that by itself, for ASCII, and needs no LOWER for each row
	}
	return "LOWER(" + column + ") LIKE"
}
