package jobcmd

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"cove/internal/cli/output"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
)

func newQueues() *cobra.Command {
	var t command.Registry
	var format string
	cmd := &cobra.Command{
		Use: "queues", Short: "List the kinds of jobs, with what waits of each and whether it is paused",
		Example: `  registry job queues
  registry job queues --format '{{.Kind}} {{.Waiting}}'`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all work.Queues
				if err := r.Get("/queues", &all); err != nil {
					return err
				}
				return printQueues(cmd.OutOrStdout(), format, all.Items)
			})
		},
	}
	t.Flags(cmd)
	command.FormatFlag(cmd, &format)
	return cmd
}

func printQueues(w io.Writer, format string, all []work.Queue) error {
	if format != "table" {
		var objects []any
		for _, q := range all {
			objects = append(objects, q)
		}
		return output.Objects(w, format, objects)
	}
	columns := output.NewColumns(w, 0)
	_, _ = columns.Write([]byte("KIND\tWAITING\tRUNNING\tDUE SINCE\tPAUSED\n")) // Flush reports a failure
	for _, q := range all {
		held := ""
		if q.Paused {
			held = stamp(q.PausedAt) + " by " + q.PausedBy
		}
		if _, err := fmt.Fprintf(columns, "%s\t%d\t%d\t%s\t%s\n", q.Kind, q.Waiting, q.Running, stamp(q.Oldest),
			held); err != nil {
			return err
		}
	}
	return columns.Flush()
}

// onKinds is a command on each of several kinds of jobs.
func onKinds(use, short string) *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: use + " KIND…", Short: short,
		Example: "  registry job " + use + " replication webhook",
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, kinds []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(kinds, func(kind string) error {
					return r.Post(command.Path("queues", kind)+"/"+use, nil, nil)
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
