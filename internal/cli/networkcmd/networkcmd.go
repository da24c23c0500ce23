// Package networkcmd holds the commands about networks, in docker's grammar.
package networkcmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes/lists"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// Noun is `network` with its commands.
func Noun(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{
		Use:   "network COMMAND",
		Short: "Manage networks: bridges on which containers find each other by name",
	})
	noun.AddCommand(create(a), list(a), inspect(a), connect(a), disconnect(a), remove(a), prune(a))
	return noun
}

func list(a *app.App) *cobra.Command {
	var filters []string
	var out output.Options
	var whole bool
	cmd := &cobra.Command{
		Use:     "ls [flags]",
		Aliases: []string{"list"},
		Short:   "List networks",
		Example: "  ls\n  ls -q --filter type=custom",
		Args:    app.NoArgs(),
	}
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil,
		"only some: name=, id=, driver=, label=, scope=, type=builtin|custom, dangling=")
	out.FormatFlag(cmd.Flags())
	cmd.Flags().BoolVar(&whole, "no-trunc", false, "whole ids")
	out.QuietFlag(cmd.Flags(), "ids")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		terms, err := verbs.Terms(filters)
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		rows, err := eng.Networks(cmd.Context(), terms)
		if err != nil {
			return err
		}
		out.Prefer(a.Docker().NetworksFormat)
		shown := make([]lists.Network, 0, len(rows))
		for _, n := range rows {
			if n.Broken != nil {
				a.Warnf("%v", n.Broken)
			}
			shown = append(shown, lists.OfNetwork(n, lists.Options{NoTrunc: whole}))
		}
		return table.Write(a.Out, out, shown)
	}
	return cmd
}

var table = output.List[lists.Network]{ID: "ID", Columns: []output.Column{
	{Field: "ID", Header: "NETWORK ID"},
	{Field: "Name", Header: "NAME"},
	{Field: "Driver", Header: "DRIVER"},
	{Field: "Scope", Header: "SCOPE"},
	{Field: "IPv4", Header: "IPV4", Extra: true},
	{Field: "IPv6", Header: "IPV6", Extra: true},
	{Field: "Internal", Header: "INTERNAL", Extra: true},
	{Field: "Labels", Header: "LABELS", Extra: true},
	{Field: "CreatedAt", Header: "CREATED AT", Extra: true},
}}

func inspect(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "inspect [flags] NETWORK [NETWORK...]",
		Short:   "Print everything about networks, as JSON",
		Example: "  inspect web\n  inspect -f '{{range .Containers}}{{.Name}} {{end}}' web",
	}
	app.Register(cmd.Flags(), app.Only{
		Name: "verbose", Short: "v", Values: []string{"true", "false"}, Switch: true,
		Why: "want true or false: all is printed",
	})
	return verbs.Inspect(a, cmd, func(ctx context.Context, eng *engine.Engine, ref string) (any, error) {
		return eng.InspectNetwork(ctx, ref)
	})
}

func remove(a *app.App) *cobra.Command {
	return verbs.Remove(a, &cobra.Command{
		Use:     "rm [flags] NETWORK [NETWORK...]",
		Short:   "Remove networks that no running container is on",
		Example: "  rm web",
	}, func(ctx context.Context, eng *engine.Engine, ref string) error { return eng.RemoveNetwork(ctx, ref) })
}

func prune(a *app.App) *cobra.Command {
	var force bool
	var filters []string
	cmd := &cobra.Command{
		Use:     "prune [flags]",
		Short:   "Remove networks that no container asks for",
		Example: "  prune\n  prune --filter label=team=web",
		Args:    app.NoArgs(),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted for docker's sake: prune never asks")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "only some: until=TIME (older), label=KEY[=VALUE], label!=KEY[=VALUE]")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		terms, err := verbs.Terms(filters)
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		removed, err := eng.PruneNetworks(cmd.Context(), terms)
		if len(removed) > 0 {
			fmt.Fprintf(a.Out, "Deleted Networks:\n%s\n\n", strings.Join(removed, "\n"))
		}
		return err
	}
	return cmd
}
