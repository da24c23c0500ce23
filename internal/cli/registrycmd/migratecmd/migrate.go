// Package migratecmd is "registry migrate": the schema of the database, seen and
// moved from one version to another.
package migratecmd

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/db"
	"cove/registry/schema"
	"cove/registry/server"
	"cove/registry/server/config"
)

// New is the command.
func New() *cobra.Command {
	return command.Group("migrate", "See the schema of the database, and move it up or down",
		newStatus(),
		newMove("up", "Bring the database to the newest version of the schema, or to the one of --to",
			`Bring the database to the newest version of the schema that this release knows,
or to the one of --to. A start of the server does it too. A copy of the database
is made first, in the folder before-migration of the root. The server must be
stopped; with PostgreSQL it may run.`, schema.Newest),
		newMove("down", "Take back the newest step of the schema, or all that came after --to",
			`Take back the newest step of the schema, or all that came after the version of
--to, with what only these steps hold. An older release runs on a newer schema
as it is, so this is for who wants to be rid of it. A copy of the database is
made first, in the folder before-migration of the root. The server must be
stopped; with PostgreSQL those of the release that knows the steps must be.`, schema.Before))
}

func newStatus() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: "status", Short: "List the versions of the schema and when the database came to them",
		Long: `List the versions of the schema that this release knows, and when the database
came to each. It changes nothing, and works beside a running server.`,
		Example: `  registry migrate status --root /srv/registry`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := t.Configuration()
			if err != nil {
				return err
			}
			all, current, err := server.SchemaVersions(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			table := command.NewTable(cmd, false, "VERSION", "APPLIED")
			for _, v := range all {
				applied := "not yet"
				if !v.Applied.IsZero() {
					applied = command.Stamp(v.Applied)
				}
				if err := table.Row(v.Name, strconv.FormatInt(v.Number, 10), applied); err != nil {
					return err
				}
			}
			if n := len(all); n > 0 && current > all[n-1].Number {
				err = table.Row("(of a newer release)", strconv.FormatInt(current, 10), "")
			}
			return table.Flush(err)
		},
	}
	t.Flags(cmd)
	return cmd
}

func newMove(use, short, long string, without int64) *cobra.Command {
	var t command.Target
	var to int64
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long,
		Example: fmt.Sprintf("  registry migrate %[1]s --root /srv/registry\n"+
			"  registry migrate %[1]s --to 11 --root /srv/registry", use),
		Args: command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("to") && to < 1 {
				return command.Misused(cmd, fmt.Errorf("--to is %d; 'registry migrate status' lists the versions", to))
			}
			cfg, err := t.Configuration()
			if err != nil {
				return err
			}
			version := without
			if to > 0 {
				version = to
				if err := sameWay(cmd, cfg, to); err != nil {
					return err
				}
			}
			done, err := server.MigrateTo(cmd.Context(), cfg, version)
			if done.Copy != "" { // the next write reports a failure
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "the database as it was: %s\n", done.Copy)
			}
			if err != nil {
				return err
			}
			if done.From == done.To {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "the database is at version %d already\n", done.To)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the database came from version %d to %d\n", done.From, done.To)
			return err
		},
	}
	t.Flags(cmd)
	cmd.Flags().Int64Var(&to, "to", 0, "the version to come to")
	return cmd
}

// sameWay refuses to go up to an older version, and down to a newer one: steps back take what only they hold.
func sameWay(cmd *cobra.Command, cfg config.Config, to int64) error {
	all, current, err := server.SchemaVersions(cmd.Context(), cfg)
	switch up := cmd.Name() == "up"; {
	case err != nil:
		return err
	case !slices.ContainsFunc(all, func(v db.Version) bool { return v.Number == to }):
		return nil // which is a reason of its own
	case up && to < current:
		return errdefs.Errorf(errdefs.ErrInvalid,
			"the database is at version %d, which comes after %d; the way back is: registry migrate down --to %[2]d", current, to)
	case !up && to > current:
		return errdefs.Errorf(errdefs.ErrInvalid,
			"the database is at version %d, which comes before %d; the way there is: registry migrate up --to %[2]d", current, to)
	}
	return nil
}
