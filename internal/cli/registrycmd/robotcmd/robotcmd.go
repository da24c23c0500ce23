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
	"cove/registry/api/rest"
	"cove/registry/robots"
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

// owned says of which project robots are.
func owned() command.Owned {
	return command.Owned{What: "robot", Noun: "robots", Prefix: robots.Prefix}
}

func newCreate() *cobra.Command {
	w := owned()
	var spec access.NewRobot
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
			spec.Name = a[0]
			for word, given := range map[string]bool{"pull": pull, "push": push, "delete": del} {
				if given {
					spec.Rights = append(spec.Rights, word)
				}
			}
			if len(spec.Rights) == 0 {
				return command.Misused(cmd, errors.New("say what it may: --pull, --push, --delete or --right"))
			}
			until, err := command.Until(expires, time.Now())
			if err != nil {
				return command.Misused(cmd, fmt.Errorf("--expires %w", err))
			}
			spec.ExpiresAt = rest.Moment(until)
			return w.Do(cmd, func(r command.API) error {
				var made access.RobotSecret
				if err := r.Post(w.Path(""), spec, &made); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", made.Robot.Name, made.Secret)
				return err
			})
		},
	}
	w.Flags(cmd)
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
	w := owned()
	var out command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the robots of a project, or of the registry",
		Example: "  registry robot list --project team\n  registry robot list --format json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.Do(cmd, func(r command.API) error {
				found, err := command.All[access.Robot](r, w.Path(""))
				if err != nil {
					return err
				}
				return out.Print(cmd, "NAME RIGHTS REPOSITORIES DISABLED EXPIRES USED", command.Items(found, item))
			})
		},
	}
	w.Flags(cmd)
	out.Flags(cmd)
	return cmd
}

func item(r access.Robot) command.Item {
	return command.Item{Row: []string{
		r.Name, strings.Join(r.Rights, " "), strings.Join(r.Repositories, " "), command.Yes(r.Disabled),
		command.When(r.ExpiresAt), command.When(r.UsedAt),
	}, Object: r}
}

func newRotate() *cobra.Command {
	w := owned()
	cmd := &cobra.Command{
		Use: "rotate NAME", Short: "Give a robot another secret, and print it",
		Long: `Give a robot another secret, and print it. The one before, and all that was
issued for it, ends within a second.`,
		Example: "  registry robot rotate ci --project team\n  registry robot rotate 'robot$team+ci'",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return w.Do(cmd, func(r command.API) error {
				var next access.Secret
				if err := r.Post(w.Path(a[0])+"/secret", nil, &next); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), next.Secret)
				return err
			})
		},
	}
	w.Flags(cmd)
	return cmd
}

func newSet(word, short string) *cobra.Command {
	w := owned()
	disabled := word == "disable"
	cmd := &cobra.Command{
		Use: word + " NAME…", Short: short,
		Example: "  registry robot " + word + " ci --project team", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return w.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error {
					return r.Patch(w.Path(name), access.RobotChange{Disabled: &disabled})
				})
			})
		},
	}
	w.Flags(cmd)
	return cmd
}

func newExpire() *cobra.Command {
	w := owned()
	cmd := &cobra.Command{
		Use: "expire NAME WHEN", Short: "Change when a robot ends: 90d, 12h, a time, or never",
		Example: "  registry robot expire ci 90d --project team", Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			at, err := command.Until(a[1], time.Now())
			if err != nil {
				return command.Misused(cmd, err)
			}
			forever := at.IsZero()
			return w.Do(cmd, func(r command.API) error {
				return r.Patch(w.Path(a[0]), access.RobotChange{ExpiresAt: rest.Moment(at), Forever: &forever})
			})
		},
	}
	w.Flags(cmd)
	return cmd
}

func newRemove() *cobra.Command {
	w := owned()
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove robots",
		Example: "  registry robot rm ci --project team", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return w.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(w.Path(name)) })
			})
		},
	}
	w.Flags(cmd)
	return cmd
}
