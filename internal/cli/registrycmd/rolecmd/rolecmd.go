// Package rolecmd is the registry's commands on roles.
package rolecmd

import (
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/auth"
	"cove/registry/metadata/people"
	"cove/registry/server"
)

// New is the command "role" with those below it.
func New() *cobra.Command {
	return command.Group(
		"role",
		"Make roles of rights, beside those that are built in",
		newSet(),
		newRemove(),
		newList(),
	)
}

func newSet() *cobra.Command {
	var t command.Target
	var given []string
	var r people.CustomRole
	cmd := &cobra.Command{
		Use: "set NAME", Aliases: []string{"create"}, Short: "Make a role, or give it other rights",
		Long: `Make a role of rights towards a project, or give the one of that name other
rights. A right is pull, push, delete or read, a role, or one of those that
"registry role list --format json" shows, as tag:create.`,
		Example: `  registry role set deployer --right pull --right tag:create
  registry role set releaser --right developer,artifact:delete`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r.Name, r.Rights = a[0], strings.Join(given, " ")
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Accounts.SetRole(cmd.Context(), by, r)
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringSliceVar(&given, "right", nil, "what the role has; give it again, or with commas, for several")
	cmd.Flags().StringVar(&r.Description, "description", "", "what it is for")
	return cmd
}

func newRemove() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove roles that nobody has",
		Example: "  registry role rm deployer", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return command.Each(
					names,
					func(name string) error { return s.Accounts.RemoveRole(cmd.Context(), by, name) },
				)
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newList() *cobra.Command {
	var t command.Target
	var out command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the roles with their rights",
		Example: "  registry role list\n  registry role list --format '{{.Name}}: {{.Rights}}'",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				found, err := s.Accounts.Roles(cmd.Context(), by)
				if err != nil {
					return err
				}
				var items []command.Item
				for _, r := range found {
					items = append(items, command.Item{Row: []string{r.Name, r.Rights}, Object: access.RoleOf(r)})
				}
				return out.Print(cmd, "NAME RIGHTS", items)
			})
		},
	}
	t.Flags(cmd)
	out.Flags(cmd)
	return cmd
}
