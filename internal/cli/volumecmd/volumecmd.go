// Package volumecmd holds the commands about volumes, in docker's grammar.
package volumecmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes/lists"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// Noun is `volume` with its commands.
func Noun(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{
		Use:   "volume COMMAND",
		Short: "Manage volumes: directories that outlive containers",
	})
	noun.AddCommand(create(a), list(a), inspect(a), remove(a), prune(a), update())
	return noun
}

// update has nothing to change: what docker's changes is of volumes of a swarm.
func update() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update VOLUME", Short: "Not supported: it is for cluster volumes, of a swarm", Args: app.ExactArgs(1),
		Example: "  update data",
		RunE: func(_ *cobra.Command, args []string) error {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"volume %s: only cluster volumes, which a swarm has, can be updated; make a new one", args[0])
		},
	}
	cmd.Flags().String("availability", "", "of a cluster volume: active, pause or drain")
	return cmd
}

func create(a *app.App) *cobra.Command {
	var labels, options []string
	var driver, name string
	cmd := &cobra.Command{
		Use:     "create [flags] [VOLUME]",
		Short:   "Create a volume",
		Example: "  create data\n  create --label team=web data\n  create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch",
		Args:    app.RangeArgs(0, 1),
	}
	cmd.Flags().StringArrayVar(&labels, "label", nil, "label it: KEY=VALUE")
	cmd.Flags().StringVarP(&driver, "driver", "d", "local", "where it is kept; there is local only")
	cmd.Flags().StringArrayVarP(&options, "opt", "o", nil,
		"what is mounted there while a container has it: type=, device= and o=, as of mount(8)")
	cmd.Flags().StringVar(&name, "name", "", "its name, as an older docker has it")
	_ = cmd.Flags().MarkHidden("name") // the argument says it
	for _, name := range []string{
		"availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing",
		"topology-preferred", "topology-required", "type",
	} {
		app.Register(cmd.Flags(), app.Only{Name: name, Why: "only cluster volumes, which a swarm has, take it"})
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if driver != "local" && driver != "" {
			return errdefs.Errorf(errdefs.ErrUnsupported, "--driver %s: there is only local", driver)
		}
		if len(args) == 1 {
			name = args[0]
		}
		marks, err := verbs.Labels(labels)
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		opts, err := verbs.Pairs("--opt", options)
		if err != nil {
			return err
		}
		v, err := eng.NewVolume(cmd.Context(), engine.WantedVolume{Name: name, Labels: marks, Options: opts})
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Out, v.Name)
		return nil
	}
	return cmd
}

func list(a *app.App) *cobra.Command {
	var filters []string
	var out output.Options
	cmd := &cobra.Command{
		Use:     "ls [flags]",
		Aliases: []string{"list"},
		Short:   "List volumes",
		Example: "  ls\n  ls -q --filter dangling=true",
		Args:    app.NoArgs(),
	}
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only some: name=, label=, dangling=, driver=")
	app.Register(cmd.Flags(), app.Only{
		Name: "cluster", Values: []string{"false"}, Switch: true, Why: "there is no swarm, which has cluster volumes",
	})
	out.FormatFlag(cmd.Flags())
	out.QuietFlag(cmd.Flags(), "names")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		terms, err := verbs.Terms(filters)
		if err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		rows, err := eng.Volumes(cmd.Context(), terms)
		if err != nil {
			return err
		}
		out.Prefer(a.Docker().VolumesFormat)
		shown := make([]lists.Volume, 0, len(rows))
		for _, v := range rows {
			if v.Broken != nil {
				a.Warnf("%v", v.Broken)
			}
			shown = append(shown, lists.OfVolume(v))
		}
		return table.Write(a.Out, out, shown)
	}
	return cmd
}

var table = output.List[lists.Volume]{ID: "Name", Columns: []output.Column{
	{Field: "Driver", Header: "DRIVER"},
	{Field: "Name", Header: "VOLUME NAME"},
	{Field: "Mountpoint", Header: "MOUNTPOINT", Extra: true},
	{Field: "Scope", Header: "SCOPE", Extra: true},
	{Field: "Labels", Header: "LABELS", Extra: true},
	{Field: "Links", Header: "LINKS", Extra: true},
	{Field: "Size", Header: "SIZE", Extra: true},
	{Field: "Status", Header: "STATUS", Extra: true},
	{Field: "Group", Header: "GROUP", Extra: true},
	{Field: "Availability", Header: "AVAILABILITY", Extra: true},
}}

func inspect(a *app.App) *cobra.Command {
	return verbs.Inspect(a, &cobra.Command{
		Use:     "inspect [flags] VOLUME [VOLUME...]",
		Short:   "Print everything about volumes, as JSON",
		Example: "  inspect data\n  inspect -f '{{.Mountpoint}}' data",
	}, func(ctx context.Context, eng *engine.Engine, ref string) (any, error) {
		return eng.InspectVolume(ctx, ref)
	})
}

func remove(a *app.App) *cobra.Command {
	return verbs.Remove(a, &cobra.Command{
		Use:     "rm [flags] VOLUME [VOLUME...]",
		Short:   "Remove volumes that no container has",
		Example: "  rm data",
	}, func(ctx context.Context, eng *engine.Engine, ref string) error { return eng.RemoveVolume(ctx, ref) })
}

func prune(a *app.App) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Short:   "Remove volumes that nobody named and no container has",
		Example: "  prune\n  prune -a",
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also those with a name")
	return verbs.Prune(a, cmd, func() (engine.PruneOptions, error) {
		return engine.PruneOptions{Volumes: true, AllVolumes: all}, nil
	})
}
