// Package systemcmd holds the commands about the engine itself.
package systemcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// Version prints the version.
func Version(a *app.App) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "version [flags]", Short: "Print the version", Example: "  version\n  version --format json\n  version --format '{{.Server.Version}}'",
		Args: app.NoArgs(),
		RunE: func(*cobra.Command, []string) error {
			if format != "" {
				client, server := engine.ClientVersion(), engine.Version()
				return output.Object(a.Out, format, dockertypes.Version{Client: client, Server: &server})
			}
			printVersion(a.Out, engine.ClientVersion(), engine.Version())
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json, or a Go template")
	return cmd
}

// Info describes the engine and its machine.
func Info(a *app.App) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "info [flags]", Short: "Describe the engine and its machine", Example: "  info\n  info --format json",
		Args: app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			info, err := eng.Info(cmd.Context())
			if err != nil {
				return err
			}
			if format != "" {
				return output.Object(a.Out, format, info)
			}
			printInfo(a.Out, engine.ClientVersion(), info)
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json, or a Go template")
	return cmd
}

// Inspect prints containers, or else images, or else volumes, of the names given.
func Inspect(a *app.App) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:     "inspect [flags] NAME|ID [NAME|ID...]",
		Short:   "Print everything about containers, images, networks or volumes, as JSON",
		Example: "  inspect db\n  inspect -f '{{.State.Pid}}' db\n  inspect --type image redis",
	}
	var size bool
	cmd.Flags().StringVar(&kind, "type", "", "container, image, network or volume")
	cmd.Flags().BoolVarP(&size, "size", "s", false, "also what a container wrote (SizeRw), and that with its image (SizeRootFs)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if engine.Kind(kind).Check() != nil {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"%q is not a valid value for --type: want container, image, network or volume", kind)
		}
		return nil
	}
	return verbs.Inspect(a, cmd, func(ctx context.Context, eng *engine.Engine, ref string) (any, error) {
		found, err := eng.Inspect(ctx, engine.Kind(kind), ref)
		if c, ok := found.(*dockertypes.Container); ok && err == nil && size {
			err = eng.MeasureContainer(ctx, c)
		}
		return found, err
	})
}

// System holds what is about the whole root.
func System(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "system COMMAND", Short: "Disk usage, events, pruning, description"})
	noun.AddCommand(diskUsage(a), Doctor(a), Events(a), prune(a), Info(a), boot(a), dialStdio(a), parcels(a))
	return noun
}

func boot(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "boot",
		Short:   "Start the containers whose restart policy wants them to run when the machine has started",
		Example: "  boot",
		Args:    app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			started, err := eng.StartOnBoot(cmd.Context())
			for _, name := range started {
				fmt.Fprintln(a.Out, name)
			}
			return err
		},
	}
}

func prune(a *app.App) *cobra.Command {
	var all, volumes bool
	cmd := &cobra.Command{
		Short:   "Remove stopped containers, unused networks and images, and the build cache",
		Example: "  prune\n  prune -a --volumes\n  prune --filter until=24h --filter label!=keep",
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all images that no container uses, not only those without a name")
	cmd.Flags().BoolVar(&volumes, "volumes", false, "also volumes that nobody named and no container has")
	return verbs.Prune(a, cmd, func() (engine.PruneOptions, error) {
		return engine.PruneOptions{
			Containers: true, Images: true, AllImages: all, BuildCache: true,
			Volumes: volumes, Networks: true,
		}, nil
	})
}
