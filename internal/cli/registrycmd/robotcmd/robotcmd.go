// Package robotcmd is the registry's commands on robots.
package robotcmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/auth"
	"cove/registry/robots"
	"cove/registry/server"
)

// New is the command "robot" with those below it.
func New() *cobra.Command {
	cmd := command.Group("robot", "Make accounts of programs",
		newCreate(), newList(), newRotate(), newSet("disable", "Keep robots from signing in"),
		newSet("enable", "Let robots sign in again"), newExpire(), newRemove())
	cmd.Long = `Make accounts of programs: CI, clusters, replication. A robot belongs to a
project, or, without --project, to the registry as a whole. It signs in by its
name, as robot$team+ci, and a secret that is shown once.`
	return cmd
}

// which says of which project robots are.
type which struct {
	target  command.Target
	project string
}

func (w *which) flags(cmd *cobra.Command) {
	w.target.Flags(cmd)
	cmd.Flags().StringVar(&w.project, "project", "", "whose robot it is; the registry's if it is left out")
}

// full is the name of the account; a full one is taken as it is.
func (w *which) full(name string) string {
	if strings.HasPrefix(name, robots.Prefix) {
		return name
	}
	return robots.FullName(w.project, name)
}

func newCreate() *cobra.Command {
	var w which
	var spec robots.Spec
	var pull, push, del bool
	var expires string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a robot, and print its name and its secret",
		Long: `Make a robot, and print its name and its secret, which nothing shows again.

It may what --pull, --push (which pulls too), --delete and --right say, in the
repositories that --repository names; without that in all. Nobody gives a robot
a right that he has not got.`,
		Example: `  registry robot create ci --project team --push
  registry robot create deploy --project team --pull --repository 'api-*' --expires 90d
  registry robot create mirror --pull --repository 'hub/*'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) (err error) {
			spec.Name, spec.Project = a[0], w.project
			for word, given := range map[string]bool{"pull": pull, "push": push, "delete": del} {
				if given {
					spec.Rights = append(spec.Rights, word)
				}
			}
			if len(spec.Rights) == 0 {
				return command.Misused(cmd, errors.New("say what it may: --pull, --push, --delete or --right"))
			}
			if spec.ExpiresAt, err = command.Until(expires, time.Now()); err != nil {
				return command.Misused(cmd, fmt.Errorf("--expires %w", err))
			}
			return w.target.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				made, secret, err := s.Robots.Create(cmd.Context(), by, spec)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", made.Name, secret)
				return err
			})
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&pull, "pull", false, "it pulls")
	f.BoolVar(&push, "push", false, "it pushes and pulls")
	f.BoolVar(&del, "delete", false, "it deletes tags and artifacts")
	f.StringSliceVar(&spec.Rights, "right", nil, "it has this right, as tag:list (see registry role list)")
	f.StringSliceVar(&spec.Repositories, "repository", nil,
		"only in repositories of this name, within the project or, without one, in full; * stands for any text")
	f.StringVar(&expires, "expires", "never", "when it ends: 90d, 12h, a time, or never")
	f.StringVar(&spec.Description, "description", "", "what it is for")
	return cmd
}

func newList() *cobra.Command {
	var w which
	var out command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the robots of a project, or of the registry",
		Example: "  registry robot list --project team\n  registry robot list --format json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.target.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				found, _, err := s.Robots.List(cmd.Context(), by, robots.Query{Project: w.project, N: 1 << 20})
				if err != nil {
					return err
				}
				var items []command.Item
				for _, r := range found {
					items = append(items, command.Item{Row: row(r), Object: access.RobotOf(r)})
				}
				return out.Print(cmd, "NAME RIGHTS REPOSITORIES DISABLED EXPIRES USED", items)
			})
		},
	}
	w.flags(cmd)
	out.Flags(cmd)
	return cmd
}

func row(r robots.Robot) []string {
	return []string{
		r.Name, strings.Join(r.Rights(), " "), strings.Join(r.Repositories(), " "), command.Yes(r.Disabled),
		command.Moment(r.ExpiresAt), command.Moment(r.UsedAt),
	}
}

func newRotate() *cobra.Command {
	var w which
	cmd := &cobra.Command{
		Use: "rotate NAME", Short: "Give a robot another secret, and print it",
		Long: `Give a robot another secret, and print it. The one before, and all that was
issued for it, ends within a second.`,
		Example: "  registry robot rotate ci --project team\n  registry robot rotate 'robot$team+ci'",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return w.target.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				secret, err := s.Robots.Rotate(cmd.Context(), by, w.full(a[0]))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
				return err
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func newSet(word, short string) *cobra.Command {
	var w which
	disabled := word == "disable"
	cmd := &cobra.Command{
		Use: word + " NAME…", Short: short,
		Example: "  registry robot " + word + " ci --project team", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return w.target.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return command.Each(names, func(name string) error {
					return s.Robots.Change(cmd.Context(), by, w.full(name), robots.Change{Disabled: &disabled})
				})
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func newExpire() *cobra.Command {
	var w which
	cmd := &cobra.Command{
		Use: "expire NAME WHEN", Short: "Change when a robot ends: 90d, 12h, a time, or never",
		Example: "  registry robot expire ci 90d --project team", Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			at, err := command.Until(a[1], time.Now())
			if err != nil {
				return command.Misused(cmd, err)
			}
			return w.target.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Robots.Change(cmd.Context(), by, w.full(a[0]), robots.Change{ExpiresAt: &at})
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func newRemove() *cobra.Command {
	var w which
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove robots",
		Example: "  registry robot rm ci --project team", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return w.target.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return command.Each(
					names,
					func(name string) error { return s.Robots.Remove(cmd.Context(), by, w.full(name)) },
				)
			})
		},
	}
	w.flags(cmd)
	return cmd
}
