package registrycmd

import (
	"github.com/spf13/cobra"

	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/server"
)

func newProject() *cobra.Command {
	return group("project", "Make projects and say who may use them",
		newProjectCreate(), newProjectList(), newProjectMember(),
		newProjectVisibility("public", true), newProjectVisibility("private", false), newProjectRemove())
}

func newProjectCreate() *cobra.Command {
	var t target
	var public bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a project",
		Long: `Make a project: the first component of the names of its repositories. A push
by the administrator to a project that does not exist makes it too.`,
		Example: `  registry project create team
  registry project create mirror --public --root /srv/registry`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.Create(cmd.Context(), by, a[0], public)
			})
		},
	}
	t.flags(cmd)
	cmd.Flags().BoolVar(&public, "public", false, "let everyone pull from it, signed in or not")
	return cmd
}

func newProjectList() *cobra.Command {
	var t target
	var quiet bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the projects",
		Example: `  registry project list --root /srv/registry`,
		Args:    args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := newTable(cmd, quiet, "PUBLIC", "CREATED")
			return out.flush(t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.List(cmd.Context(), by, func(p metadata.Project) error {
					return out.row(p.Name, yes(p.Public), stamp(p.CreatedAt))
				})
			}))
		},
	}
	t.flags(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "only names")
	return cmd
}

func newProjectRemove() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove projects that hold no images",
		Example: `  registry project rm team`,
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return each(names, func(name string) error { return s.Projects.Remove(cmd.Context(), by, name) })
			})
		},
	}
	t.flags(cmd)
	return cmd
}

func newProjectMember() *cobra.Command {
	var t target
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
		Args:    args(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.SetRole(cmd.Context(), by, a[0], a[1], a[2])
			})
		},
	}
	t.flags(cmd)
	return cmd
}

func newProjectVisibility(word string, public bool) *cobra.Command {
	var t target
	short := "Let only members pull from a project"
	if public {
		short = "Let everyone pull from a project, signed in or not"
	}
	cmd := &cobra.Command{
		Use: word + " PROJECT", Short: short,
		Example: "  registry project " + word + " library",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Projects.SetPublic(cmd.Context(), by, a[0], public)
			})
		},
	}
	t.flags(cmd)
	return cmd
}
