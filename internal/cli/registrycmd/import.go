package registrycmd

import (
	"fmt"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/server"
)

func newImport() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Take over the storage folder of another registry",
		Long: `Take over what the storage folder of CNCF Distribution holds (docker-registry,
the registry of Harbor or GitLab): the folder that has docker/registry/v2. It is
only read. Every content is checked as it comes; what is here already is left
alone, so an import that was cut off is begun again. A tag comes to name what
it names there.

The server must have been started once, and be stopped; with PostgreSQL it may
run. An exit code of 1 says that something could not be taken over.`,
		Example: `  registry import /var/lib/registry --root /srv/registry
  registry import /data/registry --config /etc/cove/registry.yaml`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			cfg, err := t.Configuration()
			if err != nil {
				return err
			}
			out, problems := cmd.OutOrStdout(), 0
			done, err := server.Import(cmd.Context(), cfg, a[0], func(err error) {
				problems++
				_, _ = fmt.Fprintln(out, err) // the last write reports a failure
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "found %d repositories, %d manifests and %d tags; "+
				"added %d manifests, copied %d blobs (%s)\n", done.Repositories, done.Manifests, done.Tags,
				done.Added, done.Blobs, units.HumanSize(float64(done.Bytes)))
			if err == nil && problems > 0 {
				err = fmt.Errorf("%d things could not be taken over", problems)
			}
			return err
		},
	}
	t.Flags(cmd)
	return cmd
}
