package containercmd

import (
	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/runflags"
)

// Bundle writes an OCI bundle.
func Bundle(a *app.App) *cobra.Command {
	var f runflags.Flags
	cmd := &cobra.Command{
		Use:     "bundle [flags] IMAGE DIR [COMMAND] [ARG...]",
		Short:   "Write an OCI bundle of an image, with run's flags, that any OCI runtime runs",
		Example: "  bundle redis ./redis && runc run -b ./redis r1\n  bundle --read-only busybox ./box sh -c 'echo hello'",
		Args:    app.MinArgs(2),
	}
	cmd.Flags().SetInterspersed(false)
	f.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if args[1] == "" {
			return failed(errdefs.Errorf(errdefs.ErrInvalid, "bundle: no directory is given"))
		}
		eng, o, err := prepare(cmd.Context(), &f, a, append([]string{args[0]}, args[2:]...))
		if err != nil {
			return failed(err)
		}
		return failed(eng.Bundle(cmd.Context(), o, args[1]))
	}
	return cmd
}
