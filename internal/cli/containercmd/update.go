package containercmd

import (
	"context"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/internal/cli/app"
	"cove/internal/cli/runflags"
	"cove/internal/cli/verbs"
)

// Update changes limits, restart policies and published ports.
func Update(a *app.App) *cobra.Command {
	var flags runflags.UpdateFlags
	cmd := &cobra.Command{
		Use:   "update [flags] CONTAINER [CONTAINER...]",
		Short: "Change limits, restart policies and published ports of containers, also while they run",
		Example: "  update --memory 512m --cpus 1.5 db\n  update --restart unless-stopped db web\n" +
			"  update --publish-add 8080:80 --publish-rm 8081:80 web",
		Args: app.MinArgs(1),
	}
	flags.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := flags.Options()
		if err != nil {
			return err
		}
		return verbs.Each(cmd.Context(), a, args, func(eng *engine.Engine, ctx context.Context, ref string) error {
			return eng.Update(ctx, ref, o)
		})
	}
	return cmd
}
