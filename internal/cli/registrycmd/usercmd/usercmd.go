// Package usercmd is the registry's commands on users.
package usercmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/accounts"
	"cove/registry/api"
	"cove/registry/auth"
	"cove/registry/server"
)

// New is the command "user" with those below it.
func New() *cobra.Command {
	return command.Group("user", "Add, list, disable and remove users",
		newUserAdd(), newUserPasswd(), newUserLink(), newUserList(),
		newUserDisabled("disable", true), newUserDisabled("enable", false), newUserRemove())
}

func newUserAdd() *cobra.Command {
	var t command.Registry
	var p passwordFlags
	var admin bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Example: `  registry user add alice --random
  printf %s "$PASSWORD" | registry user add ci --password-stdin --root /srv/registry`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			password, err := p.read(cmd)
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				made := api.NewUser{Name: names[0], Password: password, Admin: admin}
				if err := r.Post("/users", made, nil); err != nil {
					return err
				}
				return p.show(cmd, password)
			})
		},
	}
	t.Flags(cmd)
	p.flags(cmd)
	cmd.Flags().BoolVar(&admin, "admin", false, "make a system administrator")
	return cmd
}

func newUserPasswd() *cobra.Command {
	var t command.Registry
	var p passwordFlags
	cmd := &cobra.Command{
		Use:     "passwd NAME",
		Aliases: []string{"password"},
		Short:   "Change a user's password",
		Long: `Change a user's password. Tokens that were issued before stop working within a second.

"registry user passwd admin --random" is how a lost administrator's password is
reset; it is kept in the root's file admin-password as on the first start.`,
		Example: `  registry user passwd alice
  registry user passwd admin --random --root /srv/registry`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if names[0] == accounts.AdminUser && p.random && !t.Remote() {
				return resetAdmin(cmd, t, p)
			}
			password, err := p.read(cmd)
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				path := command.Path("users", names[0], "password")
				if err := r.Put(path, api.Password{Password: password}); err != nil {
					return err
				}
				return p.show(cmd, password)
			})
		},
	}
	t.Flags(cmd)
	p.flags(cmd)
	return cmd
}

// resetAdmin gives the machine's administrator back what nobody can sign in for.
func resetAdmin(cmd *cobra.Command, t command.Registry, p passwordFlags) error {
	return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
		password, err := s.Accounts.ResetAdmin(cmd.Context(), by)
		if err != nil {
			return err
		}
		return p.show(cmd, password)
	})
}

func newUserList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the users",
		Example: `  registry user list --root /srv/registry`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				all, err := command.All[api.User](r, "/users")
				if err != nil {
					return err
				}
				return list.Print(cmd, "NAME ADMIN DISABLED CREATED", command.Items(all, item))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func item(u api.User) command.Item {
	return command.Item{
		Row:    []string{u.Name, command.Yes(u.Admin), command.Yes(u.Disabled), command.Stamp(u.CreatedAt)},
		Object: u,
	}
}

func newUserRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove users",
		Example: `  registry user rm alice`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(command.Path("users", name)) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newUserDisabled(word string, disabled bool) *cobra.Command {
	var t command.Registry
	short := "Let users sign in again"
	if disabled {
		short = "Keep users from signing in; what they hold ends within a second"
	}
	cmd := &cobra.Command{
		Use: word + " NAME…", Short: short,
		Example: "  registry user " + word + " alice",
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error {
					return r.Patch(command.Path("users", name), api.UserChange{Disabled: &disabled})
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

// passwordFlags say where a password comes from.
type passwordFlags struct{ stdin, random bool }

func (p *passwordFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from stdin")
	cmd.Flags().BoolVar(&p.random, "random", false, "make up a password and print it")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if p.stdin && p.random {
			return command.Misused(cmd, errors.New("--password-stdin and --random exclude each other"))
		}
		return nil
	}
}

func (p *passwordFlags) read(cmd *cobra.Command) (string, error) {
	switch {
	case p.random:
		return accounts.RandomPassword(), nil
	case p.stdin:
		data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 4096))
		return strings.TrimRight(string(data), "\r\n"), err
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", command.Misused(cmd, errors.New("no terminal to ask for a password; use --password-stdin or --random"))
	}
	first, err := ask(cmd, in, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask(cmd, in, "Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

func ask(cmd *cobra.Command, in *os.File, prompt string) (string, error) {
	if _, err := fmt.Fprint(cmd.ErrOrStderr(), prompt); err != nil {
		return "", err
	}
	b, err := term.ReadPassword(int(in.Fd()))
	_, _ = fmt.Fprintln(cmd.ErrOrStderr()) // the newline that was not echoed
	return string(b), err
}

// show prints a password that was made up.
func (p *passwordFlags) show(cmd *cobra.Command, password string) error {
	if !p.random {
		return nil
	}
	w := bufio.NewWriter(cmd.OutOrStdout())
	_, _ = fmt.Fprintln(w, password) // Flush reports a failure
	return w.Flush()
}
