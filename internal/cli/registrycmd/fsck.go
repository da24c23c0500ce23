package registrycmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/fsck"
	"cove/registry/server"
)

func newFsck() *cobra.Command {
	var t command.Target
	var heal bool
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Read everything that is stored and compare it with its digest",
		Long: `Read everything that is stored and compare it with its digest. A line tells of
each content that is lost or damaged, and in which repositories, and of each
foreign thing that somebody put among them; the exit code is 1 when there is
any. It works beside a running server, which answers what was found damaged as
not found.

--heal also removes what is damaged or foreign, for which the server must be
stopped. Push the image again, and it is whole.`,
		Example: `  registry fsck --root /srv/registry
  registry fsck --root /srv/registry --heal`,
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := t.Configuration()
			if err != nil {
				return err
			}
			out, wrong, foreign, start := cmd.OutOrStdout(), 0, 0, time.Now()
			done, err := server.Fsck(cmd.Context(), cfg, heal, func(f fsck.Finding) {
				if wrong++; f.Kind == fsck.Foreign {
					foreign++
				}
				_, _ = fmt.Fprintln(out, sentence(f)) // the last write reports a failure
			})
			if err != nil {
				return err
			}
			_, err = plural.Fprintf(out, "read %d contents, %.1f MB, in %v; %d lost or damaged; %d foreign; "+
				"%d belong to nobody and will be collected\n", done.Contents, float64(done.Bytes)/1e6,
				time.Since(start).Round(time.Millisecond), wrong-foreign, foreign, done.Strays)
			switch {
			case err != nil || wrong == 0:
			case wrong > foreign:
				err = fmt.Errorf("%d of %d stored contents are lost or damaged; push their images again%s",
					wrong-foreign, done.Contents, healHint(heal))
			case !heal:
				err = fmt.Errorf("%d things among the contents are none; --heal removes them", foreign)
			}
			return err
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&heal, "heal", false,
		"remove what is damaged, so that a push brings it again; stop the server first")
	return cmd
}

func sentence(f fsck.Finding) string {
	kind, what := "damaged", f.Digest.String()
	switch {
	case f.Healed:
		kind = "removed"
	case f.Kind == fsck.Lost:
		kind = "lost"
	case f.Kind == fsck.Foreign:
		kind = "foreign"
	}
	if f.Kind == fsck.Foreign {
		return fmt.Sprintf("%-8s %s: %s", kind, f.Name, f.Reason)
	}
	held := "in no repository"
	if len(f.Repositories) > 0 {
		held = "in " + strings.Join(f.Repositories, ", ")
	}
	return fmt.Sprintf("%-8s %s %s: %s", kind, what, held, f.Reason)
}

func healHint(healed bool) string {
	if healed {
		return ""
	}
	return ", after --heal has removed what is damaged"
}
