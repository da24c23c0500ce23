// Package projectcmd is the registry's commands on projects.
package projectcmd

import (
	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/server"
)

// New is the command "project" with those below it.
func New() *cobra.Command {
	return command.Group("project", "Make projects and say who may use them",
		newProjectCreate(), newProjectList(), newProjectMember(),
		newProjectVisibility("public", true), newProjectVisibility("private", false),
		newProjectSparse(), newProjectRemove())
}

func newProjectCreate() *cobra.Command {
	var t command.Target
	var public bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a project",
		Long: `Make a project: the first component of the names of its repositories. A push
by the administrator to a project that does not exist makes it too.`,
		Example: `  registry project create team
  registry project create mirror --public --root /srv/registry`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.Create(cmd.Context(), by, a[0], public)
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&public, "public", false, "let everyone pull from it, signed in or not")
	return cmd
}

func newProjectList() *cobra.Command {
	var t command.Target
	var quiet bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the projects",
		Example: `  registry project list --root /srv/registry`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := command.NewTable(cmd, quiet, "PUBLIC", "CREATED")
			return out.Flush(t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.List(cmd.Context(), by, func(p metadata.Project) error {
					return out.Row(p.Name, command.Yes(p.Public), command.Stamp(p.CreatedAt))
				})
			}))
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "only names")
	return cmd
}

func newProjectRemove() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove projects that hold no images",
		Example: `  registry project rm team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return command.Each(names, func(name string) error {
					return s.Projects.Remove(cmd.Context(), by, name)
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectMember() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use:   "member PROJECT USER ROLE",
		Short: "Give a user a role in a project",
		Long: `Give a user a role in a project.

  limited-guest  pulls
  guest          pulls
  developer      pulls and pushes
  maintainer     pulls, pushes and deletes
  project-admin  everything in the project
  none           is no member any more`,
		Example: `  registry project member team alice developer`,
		Args:    command.Args(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.SetRole(cmd.Context(), by, a[0], a[1], a[2])
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectVisibility(word string, public bool) *cobra.Command {
	var t command.Target
	short := "Let only members pull from a project"
	if public {
		short = "Let everyone pull from a project, signed in or not"
	}
	cmd := &cobra.Command{
		Use: word + " PROJECT", Short: short,
		Example: "  registry project " + word + " library",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.SetPublic(cmd.Context(), by, a[0], public)
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newProjectSparse() *cobra.Command {
	var t command.Target
	var off bool
	cmd := &cobra.Command{
		Use: "sparse PROJECT", Short: "Take indexes without all of their manifests, or refuse them again",
		Long: `Take indexes without all of their manifests, as who mirrors a few platforms of an
image pushes them. Without it such an index is refused, with what is missing. A
pull of a manifest that never came is answered as not found.`,
		Example: `  registry project sparse mirror
  registry project sparse mirror --off`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.SetSparse(cmd.Context(), by, a[0], !off)
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&off, "off", false, "refuse them again; those that are there stay")
	return cmd
}
