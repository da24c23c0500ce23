// Package output prints lists and objects in docker's shapes: a table, ids
// alone, a Go template, or JSON lines.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"cove/errdefs"
)

// Column is one thing that a list can show of a T.
type Column[T any] struct {
	// Field is the name in templates and JSON, Header the title in a table.
	Field, Header string
	Value         func(T) string
	// Extra columns are shown by a template only, not in the default table.
	Extra bool
}

// List is a list of T with its columns.
type List[T any] struct {
	Columns []Column[T]
	// ID is what --quiet prints.
	ID func(T) string
}

// Options are the flags that all lists share.
type Options struct {
	Quiet  bool
	Format string // "", "table", "table TEMPLATE", "json", or a template
}

// Write prints rows. A format that cannot be parsed or names an unknown field
// is errdefs.ErrInvalid.
func (l List[T]) Write(w io.Writer, o Options, rows []T) error {
	switch {
	case o.Quiet && o.Format == "":
		return l.writeIDs(w, rows)
	case o.Format == "" || o.Format == "table":
		return l.writeTable(w, rows)
	case o.Format == "json":
		return l.writeJSON(w, rows)
	default:
		return l.writeTemplate(w, o.Format, rows)
	}
}

func (l List[T]) writeIDs(w io.Writer, rows []T) error {
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, l.ID(r)); err != nil {
			return err
		}
	}
	return nil
}

func (l List[T]) writeTable(w io.Writer, rows []T) error {
	tw := newTabWriter(w)
	var cells []string
	for _, c := range l.Columns {
		if !c.Extra {
			cells = append(cells, c.Header)
		}
	}
	fmt.Fprintln(tw, strings.Join(cells, "\t"))
	for _, r := range rows {
		cells = cells[:0]
		for _, c := range l.Columns {
			if !c.Extra {
				cells = append(cells, c.Value(r))
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

func newTabWriter(w io.Writer) *Columns { return NewColumns(w, leastWidth) }

// leastWidth is docker's for a column.
const leastWidth = 10

func (l List[T]) fields(r T) map[string]string {
	m := make(map[string]string, len(l.Columns))
	for _, c := range l.Columns {
		m[c.Field] = c.Value(r)
	}
	return m
}

func (l List[T]) writeJSON(w io.Writer, rows []T) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(l.fields(r)); err != nil {
			return err
		}
	}
	return nil
}

func (l List[T]) writeTemplate(w io.Writer, format string, rows []T) error {
	body, table := strings.CutPrefix(format, "table ")
	tmpl, err := parse(body)
	if err != nil {
		return err
	}
	out := w
	if table {
		tw := newTabWriter(w)
		defer tw.Flush()
		out = tw
		heads := make(map[string]string, len(l.Columns))
		for _, c := range l.Columns {
			heads[c.Field] = c.Header
		}
		if err := l.execute(out, tmpl, heads); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if err := l.execute(out, tmpl, l.fields(r)); err != nil {
			return err
		}
	}
	return nil
}

func (l List[T]) execute(w io.Writer, tmpl template, fields map[string]string) error {
	var line bytes.Buffer
	if err := tmpl.Execute(&line, fields); err != nil {
		names := make([]string, len(l.Columns))
		for i, c := range l.Columns {
			names[i] = "." + c.Field
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "--format: %w; the fields here are %s", err, strings.Join(names, " "))
	}
	line.WriteByte('\n')
	_, err := w.Write(line.Bytes())
	return err
}
