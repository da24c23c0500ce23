package auditcmd

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"cove/internal/cli/output"
	"cove/registry/api"
	"cove/registry/audit"
)

// Flags are what of the log is asked for, and how it is shown.
type Flags struct {
	query        audit.Query
	since, until string
	format       string
}

// Add adds the flags to those of a command.
func (f *Flags) Add(to *pflag.FlagSet) {
	to.StringVar(&f.query.Actor, "user", "", "only what this user did")
	to.StringVar(&f.query.Action, "action", "", "only this, as project.create")
	to.StringVar(&f.query.Object, "object", "", "only what was done to this")
	to.StringVar(&f.since, "since", "", "only from this time on")
	to.StringVar(&f.until, "until", "", "only before this time")
	to.IntVarP(&f.query.N, "limit", "n", 100, "how many lines at most")
	to.StringVar(&f.format, "format", "table", `"table", "json" (an object on each line), or a Go template`)
}

// Parse reads what was typed. The error says which flag is wrong.
func (f *Flags) Parse(now time.Time) error {
	for _, of := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &f.query.Since}, {"until", f.until, &f.query.Until}} {
		if of.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, of.text)
		if ago, errAgo := time.ParseDuration(of.text); err != nil && errAgo == nil {
			at, err = now.Add(-ago), nil
		}
		if err != nil {
			return fmt.Errorf("--%s %q: use a time as 2026-01-31T12:00:00Z or a duration as 24h", of.flag, of.text)
		}
		*of.to = at
	}
	if f.query.N < 1 {
		return fmt.Errorf("--limit %d: ask for at least one line", f.query.N)
	}
	return nil
}

// Print shows the lines that ask returns, a page after the other.
func (f *Flags) Print(w io.Writer, ask func(audit.Query) (page []audit.Event, more bool, err error)) error {
	const pageSize = 500
	show, end := f.printer(w)
	q := f.query
	for left := f.query.N; left > 0; {
		q.N = min(left, pageSize)
		page, more, err := ask(q)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := show(e); err != nil {
				return err
			}
			q.Before = e.ID
		}
		if left -= len(page); !more {
			break
		}
	}
	return end()
}

func (f *Flags) printer(w io.Writer) (show func(audit.Event) error, end func() error) {
	if f.format != "table" && f.format != "" {
		return func(e audit.Event) error { return output.Objects(w, f.format, []any{api.EventOf(e)}) },
			func() error { return nil }
	}
	columns := output.NewColumns(w, 0)
	_, _ = columns.Write([]byte("TIME\tUSER\tACTION\tOBJECT\tDETAIL\n")) // Flush reports a failure
	return func(e audit.Event) error {
		at := e.At.UTC().Format("2006-01-02 15:04:05 MST")
		_, err := fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\n", at, e.Actor, e.Action, e.Object, e.Detail+e.Address)
		return err
	}, columns.Flush
}
