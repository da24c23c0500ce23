package command

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/output"
)

// Table is a list of things with names; quiet leaves only these.
type Table struct {
	w     *output.Columns
	quiet bool
}

// NewTable begins a table, whose first column is NAME.
func NewTable(cmd *cobra.Command, quiet bool, columns ...string) *Table {
	t := &Table{output.NewColumns(cmd.OutOrStdout(), 0), quiet}
	if !quiet {
		_ = t.Row("NAME", columns...) // Flush reports a failure
	}
	return t
}

// Row adds a row.
func (t *Table) Row(name string, columns ...string) error {
	if !t.quiet {
		name = strings.Join(append([]string{name}, columns...), "\t")
	}
	_, err := t.w.Write([]byte(name + "\n"))
	return err
}

// Flush prints the table, unless err says that it is not whole.
func (t *Table) Flush(err error) error {
	if err != nil {
		return err
	}
	return t.w.Flush()
}

// Yes is a truth as tables print it.
func Yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Stamp is a time as all commands print it: whoever compares it with a log must
// not have to guess the zone.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// FormatFlag adds --format, whose standard is "table".
func FormatFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "format", "table", `"table", "json" (an object on each line), or a Go template`)
}

// OneLine is a text for a cell of a table.
func OneLine(text string) string {
	const most = 100
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return line
}
