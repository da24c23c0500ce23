package audit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"cove/registry/db"
)

// Event is one line of the audit log. The log is append-only.
type Event struct {
	ID                            int64 // grows with time
	At                            time.Time
	Actor, Action, Object, Detail string
}

// Query asks for a page of the audit log: what is "" or zero narrows nothing.
type Query struct {
	Actor, Action, Object string
	Since, Until          time.Time // Until is not part of it
	Before                int64     // the id of the last line of the page before
	N                     int
}

// lines are the newest that are asked for, the newest first.
func lines(ctx context.Context, q db.Querier, want Query) ([]Event, error) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	for _, by := range []struct{ column, value string }{
		{"actor", want.Actor}, {"action", want.Action}, {"object", want.Object},
	} {
		if by.value != "" {
			add(by.column+" =", by.value)
		}
	}
	if !want.Since.IsZero() {
		add("at >=", db.Micros(want.Since))
	}
	if !want.Until.IsZero() {
		add("at <", db.Micros(want.Until))
	}
	if want.Before > 0 {
		add("id <", want.Before)
	}
	stmt := "SELECT id, at, actor, action, object, detail FROM audit"
	if len(where) > 0 {
		stmt += " WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, want.N)
	return db.All(ctx, q, func(s db.Scanner) (e Event, err error) {
		var at int64
		err = s.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Object, &e.Detail)
		e.At = time.UnixMicro(at)
		return e, err
	}, stmt+" ORDER BY id DESC LIMIT $"+strconv.Itoa(len(args)), args...)
}
