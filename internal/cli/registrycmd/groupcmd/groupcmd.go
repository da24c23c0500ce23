// Package groupcmd is the registry's commands on groups.
package groupcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/accounts"
	"cove/registry/api/access"
	"cove/registry/auth"
	"cove/registry/server"
)

// New is the command "group" with those below it.
func New() *cobra.Command {
	cmd := command.Group(
		"group",
		"Make groups of users, which can be members of projects",
		newEach("add NAME…", "Make groups", "registry group add backend", (*accounts.Accounts).AddGroup),
		newEach("rm NAME…", "Remove groups, and what their users have by them", "registry group rm backend",
			(*accounts.Accounts).RemoveGroup),
		newIn(
			"join",
			"Put users into a group",
			true,
		),
		newIn("leave", "Take users out of a group", false),
		newList(),
		newUsers(),
	)
	cmd.Long = `Make groups of users, which can be members of projects ("registry member add
--group"). Who signs in by OIDC or LDAP is put into the groups here that have
the names of those that the provider names.`
	return cmd
}

func newEach(use, short, example string,
	do func(*accounts.Accounts, context.Context, auth.Caller, string) error,
) *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: use, Short: short, Example: "  " + example, Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return command.Each(names, func(name string) error { return do(s.Accounts, cmd.Context(), by, name) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newIn(word, short string, in bool) *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: word + " GROUP USER…", Short: short,
		Example: "  registry group " + word + " backend alice bob", Args: command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return command.Each(names[1:], func(user string) error {
					return s.Accounts.SetInGroup(cmd.Context(), by, names[0], user, in)
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

// most is as many entries as a list shows.
const most = 1 << 20

func newList() *cobra.Command {
	var t command.Target
	var out command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the groups", Example: "  registry group list",
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				found, _, err := s.Accounts.Groups(cmd.Context(), by, "", most)
				var items []command.Item
				for _, g := range found {
					items = append(items, command.Item{
						Row: []string{
							g.Name,
							fmt.Sprint(g.Users),
							command.Stamp(g.CreatedAt),
						}, Object: access.GroupOf(g),
					})
				}
				if err != nil {
					return err
				}
				return out.Print(cmd, "NAME USERS CREATED", items)
			})
		},
	}
	t.Flags(cmd)
	out.Flags(cmd)
	return cmd
}

func newUsers() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: "users GROUP", Short: "List the users of a group", Example: "  registry group users backend",
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				found, _, err := s.Accounts.GroupUsers(cmd.Context(), by, a[0], "", most)
				for _, name := range found {
					if _, err := fmt.Fprintln(cmd.OutOrStdout(), name); err != nil {
						return err
					}
				}
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
