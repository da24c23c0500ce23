// Package tokencmd is the registry's commands on personal access tokens.
package tokencmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/api/rest"
)

// New is the command "token" with those below it.
func New() *cobra.Command {
	cmd := command.Group("token", "Make personal access tokens of users", newCreate(), newList(), newRemove())
	cmd.Long = `Make personal access tokens of users: texts that sign in in place of the
password, may no more than they say and than the user, and end by themselves.
Users make their own on the page "My tokens" and by the API.`
	return cmd
}

func newCreate() *cobra.Command {
	var t command.Registry
	var spec access.NewToken
	var expires string
	cmd := &cobra.Command{
		Use: "create USER NAME", Short: "Make an access token of a user, and print it",
		Example: `  registry token create alice laptop --right pull --expires 30d
  registry token create alice ci --right push --repository 'team/*'`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) (err error) {
			spec.Name = a[1]
			until, err := command.Until(expires, time.Now())
			if err != nil {
				return command.Misused(cmd, fmt.Errorf("--expires %w", err))
			}
			spec.ExpiresAt = rest.Moment(until)
			return t.Do(cmd, func(r command.API) error {
				var made access.Secret
				if err := r.Post(command.Path("users", a[0], "tokens"), spec, &made); err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Secret)
				return err
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringSliceVar(&spec.Rights, "right", nil,
		"what it may: pull, push, delete, read or a right; all that the user may if it is left out")
	cmd.Flags().StringVar(&spec.Repositories, "repository", "", "only in repositories of this full name; * stands for any text")
	cmd.Flags().StringVar(&expires, "expires", "90d", "when it ends: 90d, 12h, a time, or never")
	return cmd
}

func newList() *cobra.Command {
	var t command.Registry
	var out command.List
	cmd := &cobra.Command{
		Use: "list USER", Aliases: []string{"ls"}, Short: "List the access tokens of a user",
		Example: "  registry token list alice", Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var found rest.Page[access.Token]
				if err := r.Get(command.Path("users", a[0], "tokens"), &found); err != nil {
					return err
				}
				return out.Print(cmd, "NAME REPOSITORIES EXPIRES USED", command.Items(found.Items, item))
			})
		},
	}
	t.Flags(cmd)
	out.Flags(cmd)
	return cmd
}

func item(k access.Token) command.Item {
	return command.Item{
		Row:    []string{k.Name, k.Repositories, command.When(k.ExpiresAt), command.When(k.UsedAt)},
		Object: k,
	}
}

func newRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm USER NAME…", Aliases: []string{"remove"}, Short: "End access tokens of a user within a second",
		Example: "  registry token rm alice laptop", Args: command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a[1:], func(name string) error {
					return r.Delete(command.Path("users", a[0], "tokens", name))
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
