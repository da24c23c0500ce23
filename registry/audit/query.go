package audit

import (
	"cmp"
	"context"
	"slices"
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
	Address                       string // from where; "" of changes
}

// Query asks for a page of the audit log: what is "" or zero narrows nothing.
type Query struct {
	Actor, Action, Object string
	Since, Until          time.Time // Until is not part of it
	Before                int64     // the id of the last line of the page before
	N                     int
}

// tables are those of the log, with what of a row its detail and address are.
var tables = []struct{ name, detail, address string }{{"audit", "detail", "''"}, {"activity", "''", "address"}}

// lines are the newest that are asked for, the newest first.
func lines(ctx context.Context, q db.Querier, want Query) (all []Event, err error) {
	where, args := conditions(want)
	for _, table := range tables {
		part, err := db.All(ctx, q, scanEvent, "SELECT id, at, actor, action, object, "+table.detail+", "+table.address+
			" FROM "+table.name+where+" ORDER BY id DESC LIMIT $"+strconv.Itoa(len(args)), args...)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	slices.SortFunc(all, func(a, b Event) int { return cmp.Compare(b.ID, a.ID) })
	return all[:min(len(all), want.N)], nil
}

func scanEvent(s db.Scanner) (e Event, err error) {
	var at int64
	err = s.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Object, &e.Detail, &e.Address)
	e.At = time.UnixMicro(at)
	return e, err
}

// conditions are those of a query, with their arguments and, as the last, the limit.
func conditions(want Query) (where string, args []any) {
	var all []string
	add := func(condition string, arg any) {
		args = append(args, arg)
		all = append(all, condition+" $"+strconv.Itoa(len(args)))
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
	if len(all) > 0 {
		where = " WHERE " + strings.Join(all, " AND ")
	}
	return where, append(args, want.N)
}
