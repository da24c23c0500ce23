// Package audit keeps the log of who changed what in a registry. It is
// append-only: no service changes or removes a line.
package audit

import (
	"context"

	"cove/registry/auth"
	"cove/registry/metadata"
)

// Change is what was done.
type Change struct {
	Action string // as "project.create"
	Object string // its name
	Detail string // "" when action and object say all
}

// Record notes that by made a change, within the transaction that makes it:
// neither is there without the other.
func Record(ctx context.Context, tx *metadata.Tx, by auth.Caller, c Change) error {
	return tx.Audit(ctx, by.Name, c.Action, c.Object, c.Detail)
}

// Log reads the log.
type Log struct {
	db    *metadata.DB
	judge auth.Judge
}

// New reads the log of db.
func New(db *metadata.DB, judge auth.Judge) *Log { return &Log{db: db, judge: judge} }

// Newest returns the newest n lines, the newest first. Who may not read them
// gets the errors of auth.Judge's Permit.
func (l *Log) Newest(ctx context.Context, by auth.Caller, n int) ([]Event, error) {
	events, _, err := l.Page(ctx, by, Query{N: n})
	return events, err
}

// Page returns the lines that q asks for, the newest first; more says that there
// are others. Errors are those of Newest.
func (l *Log) Page(
	ctx context.Context, by auth.Caller, q Query,
) (page []Event, more bool, err error) {
	if err := l.judge.Permit(ctx, l.db, by, auth.ReadAudit, ""); err != nil {
		return nil, false, err
	}
	n := q.N
	q.N++
	page, err = lines(ctx, l.db.Querier(), q)
	if len(page) > n {
		return page[:n], true, err
	}
	return page, false, err
}
