// Package systemcmd holds the commands about the engine itself.
package systemcmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes"
	"cove/internal/buildinfo"
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
			fmt.Fprintf(a.Out, "%s version %s\n Go version:  %s\n OS/Arch:     %s/%s\n", a.Prog, buildinfo.Version(),
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
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
			printInfo(a, info)
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json, or a Go template")
	return cmd
}

func printInfo(a *app.App, i dockertypes.Info) {
	for _, line := range []struct {
		label string
		value any
	}{
		{"Containers", i.Containers},
		{" Running", i.ContainersRunning},
		{" Paused", i.ContainersPaused},
		{" Stopped", i.ContainersStopped},
		{"Images", i.Images},
		{"Server Version", i.ServerVersion},
		{"Storage Driver", i.Driver},
		{"Cgroup Version", i.CgroupVersion},
		{"Runtimes", strings.Join(i.Runtimes, " ")},
		{"Default Runtime", i.DefaultRuntime},
		{"Security Options", strings.Join(i.SecurityOptions, " ")},
		{"Kernel Version", i.KernelVersion},
		{"Operating System", i.OperatingSystem},
		{"OSType", i.OSType},
		{"Architecture", i.Architecture},
		{"CPUs", i.NCPU},
		{"Total Memory", units.BytesSize(float64(i.MemTotal))},
		{"Name", i.Name},
		{"Root Dir", i.DockerRootDir},
	} {
		fmt.Fprintf(a.Out, "%s: %v\n", line.label, line.value)
	}
	printRegistries(a.Out, i.RegistryConfig)
}

// printRegistries writes docker's two lists; mirrors of other registries than
// docker.io name theirs.
func printRegistries(w io.Writer, c dockertypes.RegistryConfig) {
	hosts := slices.Sorted(maps.Keys(c.IndexConfigs))
	fmt.Fprintln(w, "Insecure Registries:")
	for _, host := range hosts {
		if !c.IndexConfigs[host].Secure {
			fmt.Fprintln(w, " "+host)
		}
	}
	for _, cidr := range c.InsecureRegistryCIDRs {
		fmt.Fprintln(w, " "+cidr)
	}
	var mirrors []string
	for _, host := range hosts {
		of := ""
		if !c.IndexConfigs[host].Official {
			of = " (of " + host + ")"
		}
		for _, m := range c.IndexConfigs[host].Mirrors {
			mirrors = append(mirrors, " "+m+of)
		}
	}
	if len(mirrors) > 0 {
		fmt.Fprintf(w, "Registry Mirrors:\n%s\n", strings.Join(mirrors, "\n"))
	}
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
	cmd.PreRunE = func(*cobra.Command, []string) error { return engine.Kind(kind).Check() }
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
	noun.AddCommand(diskUsage(a), Doctor(a), Events(a), prune(a), Info(a), boot(a), dialStdio(a))
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
