package registrycmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/server"
)

// target says which registry a command is about.
type target struct{ root, config, database string }

func (t *target) flags(cmd *cobra.Command) {
	rootFlag(cmd, &t.root)
	cmd.Flags().StringVar(&t.config, "config", "", "the registry's YAML file")
	cmd.Flags().StringVar(&t.database, "database", "", "postgres:// URL, if it is not SQLite in the root")
}

// configuration is the file's with the flags over it.
func (t *target) configuration() (cfg server.Config, err error) {
	if t.config != "" {
		if cfg, err = server.ReadConfig(t.config); err != nil {
			return cfg, err
		}
	}
	if t.root != "" {
		cfg.Root = t.root
	}
	if t.database != "" {
		cfg.Database = t.database
	}
	return cfg, nil
}

// administer calls do with the services of the registry. Whoever may open its
// root is its operator.
func (t *target) administer(ctx context.Context, do func(s server.Services, by auth.Caller) error) error {
	cfg, err := t.configuration()
	if err != nil {
		return err
	}
	return server.Administer(ctx, cfg, func(s server.Services) error { return do(s, auth.Operator()) })
}

// each calls do for every name, whether or not it failed for another.
func each(names []string, do func(name string) error) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, do(name))
	}
	return errors.Join(errs...)
}

func newUser() *cobra.Command {
	return group("user", "Add, list, disable and remove users", newUserAdd(), newUserPasswd(), newUserList(),
		newUserDisabled("disable", true), newUserDisabled("enable", false), newUserRemove())
}

func newUserAdd() *cobra.Command {
	var t target
	var p passwordFlags
	var admin bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Example: `  registry user add alice --random
  printf %s "$PASSWORD" | registry user add ci --password-stdin --root /srv/registry`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			password, err := p.read(cmd)
			if err != nil {
				return err
			}
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				if err := s.Accounts.Add(cmd.Context(), by, names[0], password, admin); err != nil {
					return err
				}
				return p.show(cmd, password)
			})
		},
	}
	t.flags(cmd)
	p.flags(cmd)
	cmd.Flags().BoolVar(&admin, "admin", false, "make a system administrator")
	return cmd
}

func newUserPasswd() *cobra.Command {
	var t target
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
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				if names[0] == accounts.AdminUser && p.random {
					password, err := s.Accounts.ResetAdmin(cmd.Context(), by)
					if err != nil {
						return err
					}
					return p.show(cmd, password)
				}
				password, err := p.read(cmd)
				if err != nil {
					return err
				}
				if err := s.Accounts.SetPassword(cmd.Context(), by, names[0], password); err != nil {
					return err
				}
				return p.show(cmd, password)
			})
		},
	}
	t.flags(cmd)
	p.flags(cmd)
	return cmd
}

func newUserList() *cobra.Command {
	var t target
	var quiet bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the users",
		Example: `  registry user list --root /srv/registry`,
		Args:    args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := newTable(cmd, quiet, "ADMIN", "DISABLED", "CREATED")
			return out.flush(t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Accounts.List(cmd.Context(), by, func(u metadata.User) error {
					return out.row(u.Name, yes(u.Admin), yes(u.Disabled), stamp(u.CreatedAt))
				})
			}))
		},
	}
	t.flags(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "only names")
	return cmd
}

func newUserRemove() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove users",
		Example: `  registry user rm alice`,
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return each(names, func(name string) error { return s.Accounts.Remove(cmd.Context(), by, name) })
			})
		},
	}
	t.flags(cmd)
	return cmd
}

func newUserDisabled(word string, disabled bool) *cobra.Command {
	var t target
	short := "Let users sign in again"
	if disabled {
		short = "Keep users from signing in; what they hold ends within a second"
	}
	cmd := &cobra.Command{
		Use: word + " NAME…", Short: short,
		Example: "  registry user " + word + " alice",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return each(names, func(name string) error {
					_, err := s.Accounts.Change(cmd.Context(), by, name, accounts.Change{Disabled: &disabled})
					return err
				})
			})
		},
	}
	t.flags(cmd)
	return cmd
}

// passwordFlags say where a password comes from.
type passwordFlags struct{ stdin, random bool }

func (p *passwordFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from stdin")
	cmd.Flags().BoolVar(&p.random, "random", false, "make up a password and print it")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if p.stdin && p.random {
			return &usageError{cmd.CommandPath(), errors.New("--password-stdin and --random exclude each other")}
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
		return "", &usageError{
			cmd.CommandPath(),
			errors.New("no terminal to ask for a password; use --password-stdin or --random"),
		}
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
