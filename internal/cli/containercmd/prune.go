package containercmd

import (
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/internal/cli/app"
	"cove/internal/cli/imagecmd"
)

// Prune removes containers that do not run.
func Prune(a *app.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "prune [flags]",
		Short:   "Remove all containers that do not run, and what dead ones left behind",
		Example: "  prune",
		Args:    app.NoArgs(),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted for docker's sake: prune never asks")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		p, err := eng.Prune(cmd.Context(), engine.PruneOptions{Containers: true})
		imagecmd.ReportPruned(a, p)
		return err
	}
	return cmd
}
