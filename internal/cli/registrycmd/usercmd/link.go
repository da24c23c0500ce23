package usercmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/accounts"
	"cove/registry/api"
)

func newUserLink() *cobra.Command {
	var t command.Registry
	var remove bool
	var life time.Duration
	cmd := &cobra.Command{
		Use: "link NAME", Short: "Print a link by which a user sets a new password",
		Long: `Print a link by which a user sets a new password: give it to who has lost his, or
whose account is new. It works once, until the time that --for says, and takes the
place of the one before. The password of now stays good until then.

The link begins with the address of --server, or else with external_url or the
first of the hostnames of --config.`,
		Example: `  registry user link alice
  registry user link alice --for 1h --server https://registry.example.com
  registry user link alice --rm`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			path := command.Path("users", names[0], "password-link")
			if remove {
				return t.Do(cmd, func(r command.API) error { return r.Delete(path) })
			}
			base, err := t.Address()
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				var link api.PasswordLink
				if err := r.Post(path, api.NewPasswordLink{For: life.String()}, &link); err != nil {
					return err
				}
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "It works once, until %s:\n", command.Stamp(link.Until))
				_, err := fmt.Fprintln(cmd.OutOrStdout(), base+link.Path)
				return err
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().DurationVar(&life, "for", accounts.LinkLife, "how long the link is good")
	cmd.Flags().BoolVar(&remove, "rm", false, "end the link that there is")
	return cmd
}
