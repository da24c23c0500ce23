package backupcmd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/backup"
	"cove/registry/fsck"
	"cove/registry/server"
)

// NewRestore is "registry restore".
func NewRestore() *cobra.Command {
	var t command.Target
	var verify bool
	cmd := &cobra.Command{
		Use:   "restore DIR|FILE.tar|-",
		Short: "Make a registry out of a backup, or say whether a backup is whole",
		Long: `Make a registry out of a backup, in a root where none is, and check all of it.
It has the same users, rights, tags and digests; with the same configuration it
serves at once. Uploads that were not finished and sessions are not there.

The new place need not be like the old one: a backup of PostgreSQL and a bucket
can be restored into a folder, and the other way round. A restore that was cut
off is begun again with the same command, and goes on.

--verify restores nothing: it reads the whole backup and compares it with its
digests and its database. An exit code of 1 says that something is missing or
damaged.`,
		Example: `  registry restore /backup/registry --root /srv/registry
  registry restore registry.tar --root /srv/registry --database postgres://cove@db/registry
  registry restore --verify /backup/registry`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			from, err := source(cmd, a[0])
			if err != nil {
				return err
			}
			if verify {
				err = verified(cmd, from)
			} else {
				err = restored(cmd, &t, from)
			}
			return errors.Join(err, from.Close())
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&verify, "verify", false, "restore nothing, only say whether the backup is whole")
	return cmd
}

func source(cmd *cobra.Command, name string) (backup.Reader, error) {
	if name == "-" {
		return backup.FromStream(cmd.InOrStdin(), "standard input"), nil
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return backup.FromFolder(name)
	default:
		return backup.FromArchive(name)
	}
}

func verified(cmd *cobra.Command, from backup.Reader) error {
	out, wrong := cmd.OutOrStdout(), 0
	s, err := backup.Verify(cmd.Context(), from, func(err error) {
		wrong++
		_, _ = fmt.Fprintln(out, err) // the last write reports a failure
	})
	if err != nil {
		return err
	}
	_, err = plural.Fprintf(out, "the backup of %s has %d contents, %s; %d are missing or damaged\n",
		command.Stamp(s.Made), s.Blobs, units.HumanSize(float64(s.Bytes)), wrong)
	if err == nil && wrong > 0 {
		err = errors.New(plural.Sprintf("the backup is not whole: %d contents are missing or damaged", wrong))
	}
	return err
}

func restored(cmd *cobra.Command, t *command.Target, from backup.Reader) error {
	cfg, err := t.Configuration()
	if err != nil {
		return err
	}
	out, wrong := cmd.OutOrStdout(), 0
	done, err := server.Restore(cmd.Context(), cfg, from, func(f fsck.Finding) {
		wrong++
		_, _ = fmt.Fprintf(out, "missing  %s in %s: %s\n", f.Digest, strings.Join(f.Repositories, ", "), f.Reason)
	})
	if err != nil {
		return err
	}
	_, err = plural.Fprintf(out, "the registry is as it was at %s: %d contents, %s, were read again and compared; "+
		"%d are lost or damaged\n", command.Stamp(done.Made), done.Checked.Contents,
		units.HumanSize(float64(done.Checked.Bytes)), wrong)
	if err == nil && wrong > 0 {
		err = errors.New(plural.Sprintf("%d contents are missing: the backup did not have them; push their images again", wrong))
	}
	return err
}
