// Package groupcmd is the registry's commands on groups.
package groupcmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
)

// New is the command "group" with those below it.
func New() *cobra.Command {
	cmd := command.Group(
		"group",
		"Make groups of users, which can be members of projects",
		newEach("add NAME…", "Make groups", "registry group add backend", func(r command.API, name string) error {
			return r.Post("/groups", access.NewGroup{Name: name}, nil)
		}),
		newEach("rm NAME…", "Remove groups, and what their users have by them", "registry group rm backend",
			func(r command.API, name string) error { return r.Delete(command.Path("groups", name)) }),
		newIn("join", "Put users into a group", true),
		newIn("leave", "Take users out of a group", false),
		newList(),
		newUsers(),
	)
	cmd.Long = `Make groups of users, which can be members of projects ("registry member add
--group"). Who signs in by OIDC or LDAP is put into the groups here that have
the names of those that the provider names.`
	return cmd
}

func newEach(use, short, example string, do func(r command.API, name string) error) *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: use, Short: short, Example: "  " + example, Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return do(r, name) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newIn(word, short string, in bool) *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: word + " GROUP USER…", Short: short,
		Example: "  registry group " + word + " backend alice bob", Args: command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names[1:], func(user string) error {
					path := command.Path("groups", names[0], "users", user)
					if in {
						return r.Put(path, nil)
					}
					return r.Delete(path)
				})
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
		Use: "list", Aliases: []string{"ls"}, Short: "List the groups", Example: "  registry group list",
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				found, err := command.All[access.Group](r, "/groups")
				if err != nil {
					return err
				}
				return out.Print(cmd, "NAME USERS CREATED", command.Items(found, item))
			})
		},
	}
	t.Flags(cmd)
	out.Flags(cmd)
	return cmd
}

func item(g access.Group) command.Item {
	return command.Item{Row: []string{g.Name, fmt.Sprint(g.Users), command.Stamp(g.CreatedAt)}, Object: g}
}

func newUsers() *cobra.Command {
	var t command.Registry
	var out command.List
	cmd := &cobra.Command{
		Use: "users GROUP", Short: "List the users of a group", Example: "  registry group users backend",
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				found, err := command.All[access.Name](r, command.Path("groups", a[0], "users"))
				if err != nil {
					return err
				}
				return out.Print(cmd, "NAME", command.Items(found, func(n access.Name) command.Item {
					return command.Item{Row: []string{n.Name}, Object: n}
				}))
			})
		},
	}
	t.Flags(cmd)
	out.Flags(cmd)
	return cmd
}
