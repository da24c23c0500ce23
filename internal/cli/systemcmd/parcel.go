package systemcmd

import (
	"github.com/spf13/cobra"

	"cove/internal/cli/apiserver"
	"cove/internal/cli/app"
	"cove/internal/cli/remote/parcel"
)

// parcels is what cove on another machine executes for the files of a command.
func parcels(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "parcel", Short: "Keep the files of a command that comes by cove -H ssh://",
		Args: app.NoArgs(), Hidden: true,
		Long: `Keep the files of a command that comes by cove -H ssh://HOST.

cove on the other machine executes this beside the command: what the command reads
comes by standard input, and what it wrote goes by standard output. The files are
removed when the connection ends.`,
		Example: "  parcel",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return parcel.Keep(cmd.Context(), a.In, a.Out, parcel.Dirs{Disk: a.Root, Memory: apiserver.RuntimeDir()})
		},
	}
}
