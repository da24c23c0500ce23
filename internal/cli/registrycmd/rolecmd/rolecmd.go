// Package rolecmd is the registry's commands on roles.
package rolecmd

import (
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/api/rest"
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
	var t command.Registry
	var given access.RoleRights
	cmd := &cobra.Command{
		Use: "set NAME", Aliases: []string{"create"}, Short: "Make a role, or give it other rights",
		Long: `Make a role of rights towards a project, or give the one of that name other
rights. A right is pull, push, delete or read, a role, or one of those that
"registry role list --format json" shows, as tag:create.`,
		Example: `  registry role set deployer --right pull --right tag:create
  registry role set releaser --right developer,artifact:delete`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error { return r.Put(command.Path("roles", a[0]), given) })
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringSliceVar(&given.Rights, "right", nil, "what the role has; give it again, or with commas, for several")
	cmd.Flags().StringVar(&given.Description, "description", "", "what it is for")
	return cmd
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove roles that nobody has",
		Example: "  registry role rm deployer", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(command.Path("roles", name)) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newList() *cobra.Command {
	var t command.Registry
	var out command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the roles with their rights",
		Example: "  registry role list\n  registry role list --format '{{.Name}}: {{.Rights}}'",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var found rest.Page[access.Role]
				if err := r.Get("/roles", &found); err != nil {
					return err
				}
				return out.Print(cmd, "NAME RIGHTS", command.Items(found.Items, func(r access.Role) command.Item {
					return command.Item{Row: []string{r.Name, strings.Join(r.Rights, " ")}, Object: r}
				}))
			})
		},
	}
	t.Flags(cmd)
	out.Flags(cmd)
	return cmd
}
