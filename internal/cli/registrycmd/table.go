package registrycmd

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/output"
)

// table is a list of things with names; quiet leaves only these.
type table struct {
	w     *output.Columns
	quiet bool
}

func newTable(cmd *cobra.Command, quiet bool, columns ...string) *table {
	t := &table{output.NewColumns(cmd.OutOrStdout(), 0), quiet}
	if !quiet {
		_ = t.row("NAME", columns...) // flush reports a failure
	}
	return t
}

func (t *table) row(name string, columns ...string) error {
	if !t.quiet {
		name = strings.Join(append([]string{name}, columns...), "\t")
	}
	_, err := t.w.Write([]byte(name + "\n"))
	return err
}

// flush prints the table, unless err says that it is not whole.
func (t *table) flush(err error) error {
	if err != nil {
		return err
	}
	return t.w.Flush()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// stamp is a time as all commands print it: whoever compares it with a log must
// not have to guess the zone.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
