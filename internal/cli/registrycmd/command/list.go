package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/output"
)

// List prints things with names as a table, as names alone, as JSON or by a Go
// template, as its flags say.
type List struct {
	quiet  bool
	format string
}

// Flags adds those of every list.
func (l *List) Flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&l.quiet, "quiet", "q", false, "only names")
	cmd.Flags().StringVar(&l.format, "format", "table", `"table", "json" (an object on each line), or a Go template`)
}

// Item is one thing: its row, of which the first cell is its name, and what JSON and
// templates see.
type Item struct {
	Row    []string
	Object any
}

// Table says that a table is asked for.
func (l *List) Table() bool { return l.format == "table" || l.format == "" || l.quiet }

// Print shows the items under the columns' names.
func (l *List) Print(cmd *cobra.Command, columns string, items []Item) error {
	w := cmd.OutOrStdout()
	if !l.Table() {
		objects := make([]any, len(items))
		for i, it := range items {
			objects[i] = it.Object
		}
		return output.Objects(w, l.format, objects)
	}
	table := output.NewColumns(w, 0)
	if !l.quiet {
		_, _ = fmt.Fprintln(table, strings.ReplaceAll(columns, " ", "\t")) // Flush reports a failure
	}
	for _, it := range items {
		row := it.Row
		if l.quiet {
			row = row[:1]
		}
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// Items are things as items of a list.
func Items[T any](all []T, item func(T) Item) []Item {
	items := make([]Item, len(all))
	for i, one := range all {
		items[i] = item(one)
	}
	return items
}
