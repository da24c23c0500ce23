// Package auditcmd is the registry's commands on its audit log.
package auditcmd

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api"
	"cove/registry/api/client"
)

// New is the command "audit" with those below it.
func New() *cobra.Command {
	return command.Group("audit", "Read who changed what", newAuditList(), newForwards())
}

func newAuditList() *cobra.Command {
	var t command.Registry
	var f Flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List who changed what, the newest first",
		Long: `List who changed what, the newest first. "(Operator)" is who changed something
by this command on the registry's machine.

A time is as 2026-01-31T12:00:00Z, or a duration before now, as 24h.`,
		Example: `  registry audit list --since 24h
  registry audit list --user alice --limit 1000 --format json
  registry audit list --format '{{.At}} {{.Actor}} {{.Action}} {{.Object}}'`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.Query(time.Now())
			if err != nil {
				return command.Misused(cmd, err)
			}
			return t.Do(cmd, func(r command.API) error {
				return f.Print(cmd.OutOrStdout(), func(show func(api.Event) error) error {
					return client.Each(r.Context(), r.Door, client.Listed{Path: "/audit", Query: q, N: f.limit}, show)
				})
			})
		},
	}
	t.Flags(cmd)
	f.Add(cmd.Flags())
	return cmd
}

func newForwards() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "forwards", Short: "List the receivers of the audit log, and how far they are",
		Long: `List the receivers that audit.forward of the configuration names, with what waits
for each, and how many lines it never gets because the log forgot them before.`,
		Example: `  registry audit forwards
  registry audit forwards --format '{{.Receiver}} {{.Waiting}} {{.Error}}'`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all api.Forwards
				if err := r.Get("/audit/forwards", &all); err != nil {
					return err
				}
				return list.Print(cmd, "RECEIVER SENT WAITING LOST ERROR", command.Items(all.Items, forwardItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func forwardItem(f api.Forward) command.Item {
	return command.Item{
		Row: []string{
			f.Receiver, f.SentAt.UTC().Format("2006-01-02 15:04:05 MST"), strconv.FormatInt(f.Waiting, 10),
			strconv.FormatInt(f.Lost, 10), f.Error,
		},
		Object: f,
	}
}
