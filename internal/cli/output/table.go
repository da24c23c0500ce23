// Package output prints lists and objects in docker's shapes: a table, ids
// alone, a Go template, or JSON lines.
package output

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/pflag"

	"cove/errdefs"
)

// Column is one field of a row, by its name.
type Column struct {
	// Field is the name in templates and JSON, Header the title in a table.
	Field, Header string
	// Extra columns are shown by a template only, not in the default table.
	Extra bool
}

// List is a list of rows: of T, a struct whose exported fields are strings. They are
// the keys of its JSON, in their order.
type List[T any] struct {
	Columns []Column
	// ID is the field that --quiet prints.
	ID string
}

// Options are the flags that all lists share.
type Options struct {
	Quiet  bool
	Format string // "", "table", "table TEMPLATE", "json", or a template
}

// FormatFlag adds --format.
func (o *Options) FormatFlag(fs *pflag.FlagSet) {
	fs.StringVar(&o.Format, "format", "", "table, json, or a Go template")
}

// Prefer takes a format for lists that are to be shown without one.
func (o *Options) Prefer(format string) {
	if !o.Quiet && o.Format == "" {
		o.Format = format
	}
}

// QuietFlag adds --quiet, with which only what the rows are known by is printed: "ids", "names".
func (o *Options) QuietFlag(fs *pflag.FlagSet, only string) {
	fs.BoolVarP(&o.Quiet, "quiet", "q", false, "only "+only)
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
		if _, err := fmt.Fprintln(w, field(r, l.ID)); err != nil {
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
				cells = append(cells, field(r, c.Field))
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

func newTabWriter(w io.Writer) *Columns { return NewColumns(w, leastWidth) }

// leastWidth is docker's for a column.
const leastWidth = 10

// field is the value of a field of a row.
func field(row any, name string) string { return reflect.ValueOf(row).FieldByName(name).String() }

// titles is the row of headers.
func (l List[T]) titles() (row T) {
	v := reflect.ValueOf(&row).Elem()
	for _, c := range l.Columns {
		v.FieldByName(c.Field).SetString(c.Header)
	}
	return row
}

func (l List[T]) writeJSON(w io.Writer, rows []T) error {
	for _, r := range rows {
		if err := writeCompact(w, r); err != nil {
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
	out, heads := w, io.Discard // a field that is none is told of even where there are no rows
	if table {
		tw := newTabWriter(w)
		defer tw.Flush()
		out, heads = tw, tw
	}
	if err := l.execute(heads, tmpl, l.titles()); err != nil {
		return err
	}
	for _, r := range rows {
		if err := l.execute(out, tmpl, r); err != nil {
			return err
		}
	}
	return nil
}

func (l List[T]) execute(w io.Writer, tmpl template, row T) error {
	var line bytes.Buffer
	if err := tmpl.Execute(&line, row); err != nil {
		names := make([]string, len(l.Columns))
		for i, c := range l.Columns {
			names[i] = "." + c.Field
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "template parsing error: %w; the fields here are %s", err,
			strings.Join(names, " "))
	}
	line.WriteByte('\n')
	_, err := w.Write(line.Bytes())
	return err
}
