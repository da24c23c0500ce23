package registrycmd

import (
	"github.com/spf13/cobra"

	"cove/registry/service"
)

func newProject() *cobra.Command {
	return group("project", "Say who may use a project", newProjectMember(), newProjectVisibility("public", true), newProjectVisibility("private", false))
}

func newProjectMember() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "member PROJECT USER ROLE",
		Short: "Give a user a role in a project",
		Long: `Give a user a role in a project, which is made if it does not exist.

  limited-guest  pulls
  guest          pulls
  developer      pulls and pushes
  maintainer     pulls, pushes and deletes
  project-admin  everything in the project
  none           is no member any more`,
		Example: `  registry project member team alice developer`,
		Args:    args(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.accounts(cmd.Context(), func(acc *service.Accounts) error {
				return acc.SetRole(cmd.Context(), a[0], a[1], a[2])
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
			return t.accounts(cmd.Context(), func(acc *service.Accounts) error {
				return acc.SetPublic(cmd.Context(), a[0], public)
			})
		},
	}
	t.flags(cmd)
	return cmd
}
