// Package systemcmd holds the commands about the engine itself.
package systemcmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/errdefs"
	"cove/internal/buildinfo"
	"cove/internal/cli/app"
	"cove/internal/cli/imagecmd"
	"cove/internal/cli/output"
)

// version is what `version` tells, with docker's keys where they mean the same.
type version struct {
	Version   string
	GoVersion string
	Os        string
	Arch      string
}

// Version prints the version.
func Version(a *app.App) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "version [flags]", Short: "Print the version", Example: "  version\n  version --format json", Args: app.NoArgs(),
		RunE: func(*cobra.Command, []string) error {
			v := version{buildinfo.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
			if format != "" {
				return output.Object(a.Out, format, v)
			}
			fmt.Fprintf(a.Out, "%s version %s\n Go version:  %s\n OS/Arch:     %s/%s\n", a.Prog, v.Version, v.GoVersion, v.Os, v.Arch)
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
		Use: "info [flags]", Short: "Describe the engine and its machine", Example: "  info\n  info --format json", Args: app.NoArgs(),
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

func printInfo(a *app.App, i engine.Info) {
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
}

// Inspect prints containers, or else images, of the names given.
func Inspect(a *app.App) *cobra.Command {
	var format, kind string
	cmd := &cobra.Command{
		Use:     "inspect [flags] NAME|ID [NAME|ID...]",
		Short:   "Print everything about containers or images, as JSON",
		Example: "  inspect db\n  inspect -f '{{.State.Pid}}' db\n  inspect --type image redis",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json, or a Go template")
	cmd.Flags().StringVar(&kind, "type", "", "container or image")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		return output.Each(a.Out, format, args, func(ref string) (any, error) {
			switch kind {
			case "container":
				return eng.InspectContainer(cmd.Context(), ref)
			case "image":
				return eng.InspectImage(cmd.Context(), ref)
			case "":
				return inspectAny(cmd, eng, ref)
			}
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--type %s: want container or image", kind)
		})
	}
	return cmd
}

func inspectAny(cmd *cobra.Command, eng *engine.Engine, ref string) (any, error) {
	c, err := eng.InspectContainer(cmd.Context(), ref)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return c, err
	}
	img, err := eng.InspectImage(cmd.Context(), ref)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrInvalid) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such container or image: %s", ref)
	}
	return img, err
}

// System holds df, prune and info.
func System(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "system COMMAND", Short: "Disk usage, pruning, description"})
	noun.AddCommand(diskUsage(a), prune(a), Info(a))
	return noun
}

func diskUsage(a *app.App) *cobra.Command {
	var out output.Options
	cmd := &cobra.Command{
		Use: "df [flags]", Short: "Show what images and containers take on disk", Example: "  df", Args: app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			rows, err := eng.DiskUsage(cmd.Context())
			if err != nil {
				return err
			}
			return usageList().Write(a.Out, out, rows)
		},
	}
	cmd.Flags().StringVar(&out.Format, "format", "", "table, json, or a Go template")
	return cmd
}

func usageList() output.List[engine.Usage] {
	size := func(n int64) string { return units.HumanSizeWithPrecision(float64(n), 4) }
	return output.List[engine.Usage]{Columns: []output.Column[engine.Usage]{
		{Field: "Type", Header: "TYPE", Value: func(u engine.Usage) string { return u.Type }},
		{Field: "TotalCount", Header: "TOTAL", Value: func(u engine.Usage) string { return fmt.Sprint(u.Total) }},
		{Field: "Active", Header: "ACTIVE", Value: func(u engine.Usage) string { return fmt.Sprint(u.Active) }},
		{Field: "Size", Header: "SIZE", Value: func(u engine.Usage) string { return size(u.Size) }},
		{Field: "Reclaimable", Header: "RECLAIMABLE", Value: func(u engine.Usage) string {
			if u.Size == 0 {
				return size(0)
			}
			return fmt.Sprintf("%s (%d%%)", size(u.Reclaimable), 100*u.Reclaimable/u.Size)
		}},
	}}
}

func prune(a *app.App) *cobra.Command {
	var all, force bool
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove stopped containers, unused images and the build cache",
		Example: "  prune\n  prune -a", Args: app.NoArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			p, err := eng.Prune(cmd.Context(), engine.PruneOptions{Containers: true, Images: true, AllImages: all, BuildCache: true})
			imagecmd.ReportPruned(a, p)
			return err
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all images that no container uses, not only those without a name")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted for docker's sake: prune never asks")
	return cmd
}

// Registry becomes the registry binary beside this one. It is a program of its
// own, so that this one starts without its weight.
func Registry(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "registry COMMAND", Short: "Serve and administer a registry (the registry binary)",
		Example:            "  registry serve --root /srv/registry --listen :443",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			path := filepath.Join(filepath.Dir(exe), "registry")
			err = syscall.Exec(path, append([]string{"registry"}, args...), os.Environ())
			return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w; it is installed beside cove", path, err)
		},
	}
}
