package registrycmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/server"
)

func newReindex() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Make a lost database again from what lies beside the content",
		Long: `Make a lost database again from the records that lie beside the content:
repositories, manifests and tags. What a database that is older knows stays;
tags name what the records say. The server must be stopped.

Users, members and whether a project is public are not in the records: the next
start makes the user admin, and projects come back private. An exit code of 1
says that some record could not be followed.`,
		Example: `  registry reindex --root /srv/registry`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := t.Configuration()
			if err != nil {
				return err
			}
			out, problems := cmd.OutOrStdout(), 0
			done, err := server.Reindex(cmd.Context(), cfg, func(err error) {
				problems++
				_, _ = fmt.Fprintln(out, err) // the last write reports a failure
			})
			if err != nil {
				return err
			}
			_, err = plural.Fprintf(out, "the database has %d repositories, %d manifests and %d tags of the records; %d contents are lost\n",
				done.Repositories, done.Manifests, done.Tags, done.Lost)
			if err == nil && problems > 0 {
				err = fmt.Errorf("%d records could not be followed; push their images again", problems)
			}
			return err
		},
	}
	t.Flags(cmd)
	return cmd
}
