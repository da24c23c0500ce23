// Package membercmd is the registry's commands on members: who is what in a project.
package membercmd

import (
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/projects"
)

const about = `Say which users and groups are what in a project.

  limited-guest  pulls
  guest          pulls, and sees members and robots
  developer      pulls and pushes
  maintainer     pulls, pushes and deletes
  project-admin  everything in the project
  puller         pulls, and sees no page
  auditor        reads everything but images, and the audit log (with --all-projects)

"registry role list" shows these with all their rights, and those that
administrators have made. Nobody gives a right that he has not got.`

// New is the command "member" with those below it.
func New() *cobra.Command {
	cmd := command.Group("member", "Say who is what in a project", newSet("add"), newSet("set"), newRemove(), newList())
	cmd.Long = about
	return cmd
}

// who says whose membership in what a command is about.
type who struct {
	target       command.Registry
	group, all   bool
	repositories string
}

func (w *who) flags(cmd *cobra.Command) {
	w.target.Flags(cmd)
	cmd.Flags().BoolVar(&w.group, "group", false, "NAME is a group, not a user")
	cmd.Flags().BoolVar(&w.all, "all-projects", false, "in every project: leave PROJECT out")
	cmd.Flags().StringVar(&w.repositories, "repository", "",
		"only in the repositories of this name within the project; * stands for any text")
}

// apply gives the role.
func (w *who) apply(cmd *cobra.Command, project, name, role string) error {
	return w.target.Do(cmd, func(r command.API) error {
		path, of := command.Path("projects", project, "members", name), access.MemberRole{
			Role: role, Group: w.group, Repositories: w.repositories,
		}
		if w.all {
			path = command.Path("members", name)
		}
		return r.Put(path, of)
	})
}

// args are those of a command that has PROJECT first unless it is about all.
func (w *who) args(names int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		n := names
		if !w.all {
			n++
		}
		return command.Args(cobra.ExactArgs(n))(cmd, given)
	}
}

func newSet(word string) *cobra.Command {
	var w who
	short := "Make a user or a group a member of a project"
	if word == "set" {
		short = "Change the role of a member"
	}
	cmd := &cobra.Command{
		Use: word + " PROJECT NAME ROLE", Short: short, Long: about,
		Example: "  registry member " + word + " team alice developer\n" +
			"  registry member " + word + " team backend maintainer --group --repository 'api-*'\n" +
			"  registry member " + word + " --all-projects carol auditor",
		Args: w.args(2),
		RunE: func(cmd *cobra.Command, a []string) error {
			if w.all {
				a = append([]string{""}, a...)
			}
			return w.apply(cmd, a[0], a[1], a[2])
		},
	}
	w.flags(cmd)
	return cmd
}

func newRemove() *cobra.Command {
	var w who
	cmd := &cobra.Command{
		Use: "rm PROJECT NAME", Aliases: []string{"remove"}, Short: "End a membership",
		Example: "  registry member rm team alice",
		Args:    w.args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			if w.all {
				a = append([]string{""}, a...)
			}
			return w.apply(cmd, a[0], a[1], projects.NoRole)
		},
	}
	w.flags(cmd)
	return cmd
}

func newList() *cobra.Command {
	var w who
	var out command.List
	cmd := &cobra.Command{
		Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the members of a project",
		Example: "  registry member list team\n  registry member list --all-projects",
		Args:    w.args(0),
		RunE: func(cmd *cobra.Command, a []string) error {
			path := "/members"
			if !w.all {
				path = command.Path("projects", a[0], "members")
			}
			return w.target.Do(cmd, func(r command.API) error {
				found, err := command.All[access.Member](r, path)
				if err != nil {
					return err
				}
				return out.Print(cmd, "NAME KIND ROLE REPOSITORIES", command.Items(found, item))
			})
		},
	}
	w.target.Flags(cmd)
	cmd.Flags().BoolVar(&w.all, "all-projects", false, "who has a role in every project")
	out.Flags(cmd)
	return cmd
}

func item(m access.Member) command.Item {
	return command.Item{Row: []string{m.Name, m.Kind, m.Role, m.Repositories}, Object: m}
}
