// Package auditcmd is the registry's commands on its audit log.
package auditcmd

import (
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api"
	"cove/registry/api/client"
)

// New is the command "audit" with those below it.
func New() *cobra.Command {
	return command.Group("audit", "Read who changed what", newAuditList())
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
