package audit

import (
	"cmp"
	"context"
	"math"
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

// Part is a part of the log: N lines after one, and before Until unless that is 0.
type Part struct {
	After, Until int64
	N            int
}

// After reads a part, the oldest line first, for who need not ask.
func After(ctx context.Context, q db.Querier, part Part) (all []Event, err error) {
	if part.Until == 0 {
		part.Until = math.MaxInt64
	}
	for _, table := range tables {
		some, err := db.All(ctx, q, scanEvent, "SELECT id, at, actor, action, object, "+table.detail+", "+table.address+
			" FROM "+table.name+" WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3", part.After, part.Until, part.N)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b Event) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), part.N)], nil
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
