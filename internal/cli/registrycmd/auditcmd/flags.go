package auditcmd

import (
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"cove/internal/cli/output"
	"cove/registry/api"
	"cove/registry/api/client"
)

// Flags are what of the log is asked for, and how it is shown.
type Flags struct {
	actor, action, object string
	since, until          string
	limit                 int
	format                string
}

// Add adds the flags to those of a command.
func (f *Flags) Add(to *pflag.FlagSet) {
	to.StringVar(&f.actor, "user", "", "only what this user did")
	to.StringVar(&f.action, "action", "", "only this, as project.create")
	to.StringVar(&f.object, "object", "", "only what was done to this")
	to.StringVar(&f.since, "since", "", "only from this time on")
	to.StringVar(&f.until, "until", "", "only before this time")
	to.IntVarP(&f.limit, "limit", "n", 100, "how many lines at most")
	to.StringVar(&f.format, "format", "table", `"table", "json" (an object on each line), or a Go template`)
}

// Query is what was typed, as the API takes it. The error says which flag is wrong.
func (f *Flags) Query(now time.Time) (url.Values, error) {
	since, err := moment("since", f.since, now)
	if err != nil {
		return nil, err
	}
	until, err := moment("until", f.until, now)
	if err != nil {
		return nil, err
	}
	if f.limit < 1 {
		return nil, fmt.Errorf("--limit %d: ask for at least one line", f.limit)
	}
	return client.Query("actor", f.actor, "action", f.action, "object", f.object, "since", since, "until", until), nil
}

// moment is a time as the API takes it, from a time or from how long ago it was.
func moment(flag, text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if ago, errAgo := time.ParseDuration(text); err != nil && errAgo == nil {
		at, err = now.Add(-ago), nil
	}
	if err != nil {
		return "", fmt.Errorf("--%s %q: use a time as 2026-01-31T12:00:00Z or a duration as 24h", flag, text)
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// Print shows the lines that each calls it with, as they come.
func (f *Flags) Print(w io.Writer, each func(show func(api.Event) error) error) error {
	show, end := f.printer(w)
	if err := each(show); err != nil {
		return err
	}
	return end()
}

func (f *Flags) printer(w io.Writer) (show func(api.Event) error, end func() error) {
	if f.format != "table" && f.format != "" {
		return func(e api.Event) error { return output.Objects(w, f.format, []any{e}) },
			func() error { return nil }
	}
	columns := output.NewColumns(w, 0)
	_, _ = columns.Write([]byte("TIME\tUSER\tACTION\tOBJECT\tDETAIL\n")) // Flush reports a failure
	return func(e api.Event) error {
		at := e.At.UTC().Format("2006-01-02 15:04:05 MST")
		_, err := fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\n", at, e.Actor, e.Action, e.Object, e.Detail+e.From)
		return err
	}, columns.Flush
}
