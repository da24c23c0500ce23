// Package backupcmd is "registry backup" and "registry restore".
package backupcmd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/backup"
	"cove/registry/server"
)

// NewBackup is "registry backup".
func NewBackup() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use:   "backup DIR|FILE.tar|-",
		Short: "Write all that the registry is into a folder or an archive, while it serves",
		Long: `Write all that the registry is into a folder or an archive: the database as it
is at one moment, every content that it knows, signing keys and certificates. It
works beside a running server and holds up nobody; only the collector waits with
bytes until it has ended. The database may be SQLite or PostgreSQL, the content a
folder or a bucket: the backup is the same, and can be restored to any of them.

The next backup into the same folder copies only what is new. A name that ends in
.tar is an archive, and - one that is written to standard output.

A backup holds private keys: keep it as you keep the registry. An exit code of 1
says that it is not whole, or that contents are missing which the registry itself
has lost.`,
		Example: `  registry backup /backup/registry --root /srv/registry
  registry backup - --config /etc/cove/registry.yaml | ssh safe 'cat > registry.tar'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			cfg, err := t.Configuration()
			if err != nil {
				return err
			}
			to, notes, err := target(cmd, a[0])
			if err != nil {
				return err
			}
			start := time.Now()
			done, err := server.Backup(cmd.Context(), cfg, to, func(dgst digest.Digest, err error) {
				_, _ = fmt.Fprintf(notes, "missing  %s: %v\n", dgst, err) // the last write reports a failure
			})
			if err = errors.Join(err, to.Close()); err != nil {
				return err
			}
			_, err = plural.Fprintf(notes, "%s: %d contents, %s, in %v\n", a[0], done.Blobs,
				units.HumanSize(float64(done.Bytes)), time.Since(start).Round(time.Millisecond))
			return errors.Join(err, missing(done))
		},
	}
	t.Flags(cmd)
	return cmd
}

// target is where the backup goes, and where is said what there is to say.
func target(cmd *cobra.Command, name string) (backup.Target, io.Writer, error) {
	switch {
	case name == "-":
		return backup.ToStream(cmd.OutOrStdout()), cmd.ErrOrStderr(), nil
	case strings.HasSuffix(name, ".tar"):
		to, err := backup.ToArchive(name)
		return to, cmd.OutOrStdout(), err
	default:
		to, err := backup.ToFolder(name)
		return to, cmd.OutOrStdout(), err
	}
}

func missing(s backup.Summary) error {
	if len(s.Missing) == 0 {
		return nil
	}
	return fmt.Errorf("%d contents are lost or damaged in the registry itself; push their images again, and back up again",
		len(s.Missing))
}
