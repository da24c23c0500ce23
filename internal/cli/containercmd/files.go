package containercmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine/files"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// Copy copies files between a container and the host.
func Copy(a *app.App) *cobra.Command {
	var o files.CopyOptions
	var quiet bool
	cmd := &cobra.Command{
		Use:   "cp [flags] CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH",
		Short: "Copy files between a container, running or not, and here; - is a tar",
		Example: `  cp app.conf web:/etc/app/
  cp web:/var/log ./logs
  cp web:/etc/. - | tar t`,
		Args: app.ExactArgs(2),
	}
	cmd.Flags().BoolVarP(&o.Archive, "archive", "a", false, "keep owners")
	cmd.Flags().BoolVarP(&o.Follow, "follow-link", "L", false, "when the source is a link, copy what it leads to")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not say what was copied")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := copyFiles(cmd.Context(), a, args[0], args[1], o)
		if err == nil && !quiet && args[0] != "-" && args[1] != "-" {
			fmt.Fprintf(a.Err, "Successfully copied %s to %s\n", units.HumanSizeWithPrecision(float64(n), 3), args[1])
		}
		return err
	}
	return cmd
}

func copyFiles(ctx context.Context, a *app.App, src, dst string, o files.CopyOptions) (int64, error) {
	if src == "" || dst == "" {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "source and destination can not be empty")
	}
	from, inside, out := cutContainer(src)
	to, target, in := cutContainer(dst)
	eng, err := a.Engine()
	if err != nil {
		return 0, err
	}
	switch {
	case out && in:
		return 0, errdefs.Errorf(errdefs.ErrInvalid,
			"copying between containers is not supported: copy to - and from it, through a pipe")
	case !out && !in:
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "must specify at least one container source: neither %s nor %s is CONTAINER:PATH", src,
			dst)
	case out && dst == "-":
		if err := noTerminal(a, "redirect it to a file or a pipe"); err != nil {
			return 0, err
		}
		return 0, eng.CopyTarOut(ctx, from, inside, a.Out, o)
	case out:
		return eng.CopyOut(ctx, from, inside, dst, o)
	case src == "-":
		return 0, eng.CopyTarIn(ctx, a.In, to, target, files.TarOptions{})
	default:
		return eng.CopyIn(ctx, src, to, target, o)
	}
}

// cutContainer splits CONTAINER:PATH. What begins with a slash or a dot is a
// path of the host, whatever colons it has.
func cutContainer(arg string) (container, path string, ok bool) {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return "", arg, false
	}
	container, path, ok = strings.Cut(arg, ":")
	return container, path, ok && container != ""
}

func noTerminal(a *app.App, instead string) error {
	if _, ok := app.Terminal(a.Out); ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "cowardly refusing to save to a terminal: %s", instead)
	}
	return nil
}

// Export writes a container's root filesystem.
func Export(a *app.App) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "export [flags] CONTAINER",
		Short:   "Write a container's root filesystem as a tar archive",
		Example: "  export -o web.tar web\n  export web | tar t",
		Args:    app.ExactArgs(1),
	}
	cmd.Flags().StringVarP(&name, "output", "o", "", "write to a file instead of standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if name == "" {
			if err := noTerminal(a, "use the -o flag or redirect"); err != nil {
				return err
			}
			return eng.Export(cmd.Context(), args[0], a.Out)
		}
		return app.WriteFile(name, func(w io.Writer) error { return eng.Export(cmd.Context(), args[0], w) })
	}
	return cmd
}

// Diff lists what a container changed.
func Diff(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "diff CONTAINER", Short: "List the files that a container added (A), changed (C) or deleted (D)",
		Example: "  diff web", Args: app.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			changes, err := eng.Changes(cmd.Context(), args[0])
			for _, c := range changes {
				fmt.Fprintf(a.Out, "%c %s\n", c.Kind, c.Name)
			}
			return err
		},
	}
}

// Commit makes an image of a container.
func Commit(a *app.App) *cobra.Command {
	var o files.CommitOptions
	var pause bool
	cmd := &cobra.Command{
		Use:     "commit [flags] CONTAINER [NAME[:TAG]]",
		Short:   "Make an image of a container and what it changed",
		Example: "  commit web team/web:patched\n  commit -m 'with vim' -c 'CMD [\"vim\"]' web",
		Args:    app.RangeArgs(1, 2),
	}
	cmd.Flags().StringVarP(&o.Author, "author", "a", "", "who made it")
	cmd.Flags().StringArrayVarP(&o.Changes, "change", "c", nil, "apply a Dockerfile instruction to its config")
	cmd.Flags().StringVarP(&o.Message, "message", "m", "", "comment for its history")
	cmd.Flags().BoolVarP(&pause, "pause", "p", true, "pause the container meanwhile")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Running = !pause
		if len(args) == 2 {
			o.Name = args[1]
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		img, err := eng.Commit(cmd.Context(), args[0], o)
		if err == nil {
			fmt.Fprintln(a.Out, img.ID)
		}
		return err
	}
	return cmd
}
