package registrycmd

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
	"cove/registry/auth"
	"cove/registry/garbage"
	"cove/registry/server"
)

func newGC() *cobra.Command {
	var t command.Target
	var now, dry bool
	cmd := &cobra.Command{
		Use:   "gc [--dry-run | --now]",
		Short: "See what garbage collection does, and why something is kept",
		Long: `A running registry collects garbage by itself, every minute unless its
configuration says otherwise: bytes that no manifest needs, once their lease or
the grace after a delete is over.

--dry-run lists what would go now. --now collects at once: with the server
stopped, or, with PostgreSQL, beside it.`,
		Example: `  registry gc --dry-run --root /srv/registry
  registry gc status
  registry gc explain sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: command.NoCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case now && dry:
				return command.Misused(cmd, errors.New("--now and --dry-run exclude each other"))
			case now:
				return collectNow(cmd, &t)
			case dry:
				return t.Administer(cmd.Context(), func(s server.Services, _ auth.Caller) error {
					return listRemovable(cmd, s.Garbage)
				})
			}
			return cmd.Help()
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&now, "now", false, "collect at once what is due")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "list what would go, and remove nothing")
	cmd.AddCommand(newGCStatus(), newGCExplain())
	return cmd
}

func collectNow(cmd *cobra.Command, t *command.Target) error {
	cfg, err := t.Configuration()
	if err != nil {
		return err
	}
	got, err := server.Collect(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	_, err = plural.Fprintf(cmd.OutOrStdout(), "removed %d contents (%s), %d blobs from repositories, %d uploads that nobody finished\n",
		got.Blobs, units.HumanSize(float64(got.Bytes)), got.Memberships, got.Uploads)
	return err
}

func listRemovable(cmd *cobra.Command, g *garbage.Reader) error {
	out, n, total := cmd.OutOrStdout(), 0, int64(0)
	for c, err := range g.Removable(cmd.Context()) {
		if err != nil {
			return err
		}
		n, total = n+1, total+c.Size
		if _, err := fmt.Fprintln(out, c.Digest, units.HumanSize(float64(c.Size))); err != nil {
			return err
		}
	}
	_, err := plural.Fprintf(cmd.ErrOrStderr(), "%d contents (%s) would go\n", n, units.HumanSize(float64(total)))
	return err
}

func newGCStatus() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "How the collector's work stands",
		Example: `  registry gc status --root /srv/registry`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, _ auth.Caller) error {
				st, err := s.Garbage.Status(cmd.Context())
				if err != nil {
					return err
				}
				return writeStatus(cmd.OutOrStdout(), st)
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func writeStatus(w io.Writer, st garbage.Status) error {
	due := fmt.Sprint(st.Due)
	if !st.Oldest.IsZero() {
		due += fmt.Sprintf(", the first since %s", command.Stamp(st.Oldest))
	}
	_, err := plural.Fprintf(w, `stored:    %d contents, %s
to review: %d, of them due: %s
uploads:   %d unfinished
going:     %d contents that a collection was cut off at
damaged:   %d contents that a push would heal
`, st.Stored, units.HumanSize(float64(st.Bytes)), st.Queued, due, st.Uploads, st.Deleting, st.Damaged)
	return err
}

func newGCExplain() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use:   "explain DIGEST",
		Short: "Why something is stored, and what would have to go first",
		Example: `  registry gc explain sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 \
    --root /srv/registry`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, _ auth.Caller) error {
				e, err := s.Garbage.Explain(cmd.Context(), digest.Digest(a[0]))
				if err != nil {
					return err
				}
				_, err = io.WriteString(cmd.OutOrStdout(), explanation(e, time.Now()))
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

// explanation says, line by line, what keeps bytes here.
func explanation(e garbage.Explanation, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, stored %s\n", e.Digest, units.HumanSize(float64(e.Size)), command.Stamp(e.StoredAt))
	if e.Damaged {
		b.WriteString("  damaged: it is answered as not there, until a push heals it\n")
	}
	for _, h := range e.Holders {
		switch {
		case len(h.Tags) > 0:
			fmt.Fprintf(&b, "  %s: a manifest, tagged %s\n", h.Repository, strings.Join(h.Tags, ", "))
		case h.Manifest:
			fmt.Fprintf(&b, "  %s: a manifest without a tag; it stays until it is deleted\n", h.Repository)
		case len(h.NeededBy) == 0 && h.LeasedTo.After(now):
			fmt.Fprintf(&b, "  %s: no manifest needs it; it stays until %s, for a push that uses it\n", h.Repository,
				command.Stamp(h.LeasedTo))
		case len(h.NeededBy) == 0:
			fmt.Fprintf(&b, "  %s: no manifest needs it; the next collection takes it from there\n", h.Repository)
		}
		for _, manifest := range h.NeededBy {
			fmt.Fprintf(&b, "  %s: needed by %s\n", h.Repository, manifest)
		}
	}
	if len(e.Holders) == 0 {
		b.WriteString("  no repository holds it\n")
	}
	if !e.Review.IsZero() {
		fmt.Fprintf(&b, "  the collector looks at it from %s on\n", command.Stamp(e.Review))
	}
	return b.String()
}
