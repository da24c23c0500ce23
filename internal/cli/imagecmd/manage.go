package imagecmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/images"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/verbs"
)

// Tag gives an image one more name.
func Tag(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "tag SOURCE TARGET", Short: "Give an image one more name",
		Example: "  tag app harbor.example.com/team/app:v1", Args: app.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			return eng.Tag(cmd.Context(), args[0], args[1])
		},
	}
}

// Remove removes images; use is its name in the grammar at hand.
func Remove(a *app.App, use string) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     use + " [flags] IMAGE [IMAGE...]",
		Short:   "Remove images: a name, and with the last name the image",
		Example: fmt.Sprintf("  %[1]s team/app:v1\n  %[1]s -f 4f5e6d", use),
		Args:    app.MinArgs(1),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "also an image with several names, or in use")
	app.Register(cmd.Flags(), app.Only{
		Name: "platform", Why: "the images of an index are removed together, when its last name is",
	}, app.Only{
		Name: "no-prune", Values: []string{"true", "false"}, Switch: true,
		Why: "want true or false: images have no parents",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		var failed []error
		for _, name := range args {
			removed, err := eng.RemoveImage(cmd.Context(), name, force)
			for _, n := range removed.Untagged {
				fmt.Fprintln(a.Out, "Untagged: "+n)
			}
			for _, id := range removed.Deleted {
				fmt.Fprintln(a.Out, "Deleted: "+id)
			}
			if err = verbs.Missing(a, force, err); !errors.Is(err, verbs.ErrSilent) {
				failed = append(failed, err)
			}
		}
		return app.Join(failed...)
	}
	return cmd
}

// Inspect prints images as JSON.
func Inspect(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "inspect [flags] IMAGE [IMAGE...]",
		Short:   "Print everything about images, as JSON",
		Example: "  inspect redis\n  inspect -f '{{.Config.Cmd}}' redis",
	}
	of := platformFlag(cmd)
	return verbs.Inspect(a, cmd, func(ctx context.Context, eng *engine.Engine, ref string) (any, error) {
		imgs, err := eng.ForPlatform(*of)
		if err != nil {
			return nil, err
		}
		return imgs.InspectImage(ctx, ref)
	})
}

// Import makes an image of a root filesystem.
func Import(a *app.App) *cobra.Command {
	var opts images.ImportOptions
	cmd := &cobra.Command{
		Use:     "import [flags] FILE|- [NAME[:TAG]]",
		Short:   "Make an image of one layer from the tar archive of a root filesystem",
		Example: "  import rootfs.tar.gz debian:bookworm\n  mmdebstrap bookworm - | cove import -c 'CMD [\"bash\"]' - debian",
		Args:    app.RangeArgs(1, 2),
	}
	cmd.Flags().StringArrayVarP(&opts.Changes, "change", "c", nil, "apply a Dockerfile instruction to its config")
	cmd.Flags().StringVarP(&opts.Message, "message", "m", "", "comment for its history")
	cmd.Flags().StringVar(&opts.Platform, "platform", "", "its platform: OS/ARCH[/VARIANT]")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 {
			opts.Name = args[1]
		}
		if strings.HasPrefix(args[0], "http://") || strings.HasPrefix(args[0], "https://") {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"import %s: nothing is downloaded here: curl -fL %[1]s | %s import - NAME", args[0], a.Prog)
		}
		if args[0] == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "import: no file is named; - is standard input")
		}
		in, done, err := openInput(a, args[0])
		if err != nil {
			return err
		}
		defer done()
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		id, err := eng.Import(cmd.Context(), in, opts)
		if err == nil {
			fmt.Fprintln(a.Out, id)
		}
		return err
	}
	return cmd
}

// Prune removes images that nothing uses.
func Prune(a *app.App) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Short:   "Remove images without a name, the build cache, and content nothing refers to",
		Example: "  prune\n  prune -a",
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all images that no container uses")
	return verbs.Prune(a, cmd, func() (engine.PruneOptions, error) {
		return engine.PruneOptions{Images: true, AllImages: all, BuildCache: true}, nil
	})
}
