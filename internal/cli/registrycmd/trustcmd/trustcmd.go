// Package trustcmd is the registry's commands on rules that trust tokens of others.
package trustcmd

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/access"
	"cove/registry/api/rest"
	"cove/registry/trust"
)

// New is the command "trust" with those below it.
func New() *cobra.Command {
	cmd := command.Group("trust", "Take the tokens of CI systems and Kubernetes as they are",
		newCreate(), newSet(), newList(), newCheck(), newSwitch("disable", "Have rules take no token"),
		newSwitch("enable", "Have rules take tokens again"), newRemove())
	cmd.Long = `Take the tokens (JWT) that CI systems give their jobs, and Kubernetes its service
accounts, without a secret of this registry. A rule says which tokens, by issuer,
audience and claims, and what they may. Jobs send theirs as the password, with
any user name, or as Bearer. A rule belongs to a project, or, without --project,
to the registry as a whole; its holders appear in the log as trust$team+ci.`
	return cmd
}

// owned says of which project rules are.
func owned() command.Owned {
	return command.Owned{What: "rule", Noun: "trust", Prefix: trust.Prefix}
}

// content is what a flag names: a file, or standard input as -.
func content(cmd *cobra.Command, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	const most = 1 << 20
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	return string(text), err
}

func newCreate() *cobra.Command {
	w := owned()
	var rule ruleFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a rule, and print the name of its account",
		Long: `Make a rule: tokens of an issuer, for an audience, that have the claims, may what
--pull, --push (which pulls too), --delete and --right say.

A claim is NAME=VALUE. In a value * stands for any text without / and :, and **
for any text. Give a claim again for another value that will do; all claims that
are given must be there. NAME reaches into objects: kubernetes.io/namespace.

The audience is what jobs ask for when they get their token; take the address of
this registry. The issuer is asked for its keys over HTTPS, at a public address
or one that outbound.allow of the configuration names; --keys gives them instead.
An issuer that signs for everybody, as GitHub, needs a claim that names an owner.`,
		Example: `  registry trust create ci --project team --push \
    --issuer https://token.actions.githubusercontent.com --audience https://registry.example.com \
    --claim repository=octo/app --claim ref=refs/heads/main
  registry trust create nodes --pull --issuer https://kubernetes.default.svc.cluster.local \
    --audience https://registry.example.com --keys jwks.json --claim 'sub=system:serviceaccount:*:default'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			var to access.TrustChange
			if err := rule.onto(cmd, &to); err != nil {
				return err
			}
			return w.Do(cmd, func(r command.API) error {
				var made access.TrustRule
				if err := r.Post(w.Path(""), to.Named(a[0]), &made); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), made.Name)
				return err
			})
		},
	}
	w.Flags(cmd)
	rule.flags(cmd)
	return cmd
}

func newSet() *cobra.Command {
	w := owned()
	var rule ruleFlags
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change a rule; flags that are left out leave what they are about",
		Long: `Change a rule. Flags that are left out leave what they are about; --claim and the
rights, when they are given, take the place of all that there were. What was
issued by the rule before ends within a second.`,
		Example: "  registry trust set ci --project team --claim repository=octo/app --claim ref=refs/tags/v*",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return w.Do(cmd, func(r command.API) error {
				var now access.TrustRule
				if err := r.Get(w.Path(a[0]), &now); err != nil {
					return err
				}
				to := now.Change()
				if err := rule.onto(cmd, &to); err != nil {
					return err
				}
				return r.Put(w.Path(a[0]), to)
			})
		},
	}
	w.Flags(cmd)
	rule.flags(cmd)
	return cmd
}

func newList() *cobra.Command {
	w := owned()
	var out command.List
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the rules of a project, or of the registry",
		Example: "  registry trust list --project team\n  registry trust list --format json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.Do(cmd, func(r command.API) error {
				found, err := command.All[access.TrustRule](r, w.Path(""))
				if err != nil {
					return err
				}
				return out.Print(cmd, "NAME ISSUER AUDIENCE CLAIMS RIGHTS REPOSITORIES DISABLED EXPIRES USED",
					command.Items(found, item))
			})
		},
	}
	w.Flags(cmd)
	out.Flags(cmd)
	return cmd
}

func item(r access.TrustRule) command.Item {
	var claims []string
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		claims = append(claims, name+"="+strings.Join(r.Claims[name], "|"))
	}
	return command.Item{Row: []string{
		r.Name, r.Issuer, r.Audience, strings.Join(claims, " "), strings.Join(r.Rights, " "),
		strings.Join(r.Repositories, " "), command.Yes(r.Disabled), command.When(r.ExpiresAt),
		command.When(r.UsedAt),
	}, Object: r}
}

func newCheck() *cobra.Command {
	w := owned()
	var out command.List
	cmd := &cobra.Command{
		Use: "check FILE|-", Short: "Say what each rule makes of a token, and why",
		Long: `Say what each rule makes of a token, which a file or standard input holds. Who is
refused hears no more than that: what rules ask for is not for strangers.`,
		Example: "  registry trust check token.jwt --project team\n  pbpaste | registry trust check -",
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			token, err := content(cmd, a[0])
			if err != nil {
				return err
			}
			return w.Do(cmd, func(r command.API) error {
				var found rest.Page[access.TrustFinding]
				body := access.TokenText{Token: strings.TrimSpace(token)}
				if err := r.Post(w.Path("check"), body, &found); err != nil {
					return err
				}
				return out.Print(cmd, "NAME TAKEN REASON", command.Items(found.Items, finding))
			})
		},
	}
	w.Flags(cmd)
	out.Flags(cmd)
	return cmd
}

func finding(f access.TrustFinding) command.Item {
	return command.Item{Row: []string{f.Name, command.Yes(f.Taken), f.Reason}, Object: f}
}

func newSwitch(word, short string) *cobra.Command {
	disabled := word == "disable"
	return each(word, short, func(r command.API, path string) error {
		return r.Patch(path, access.TrustSwitch{Disabled: disabled})
	})
}

func newRemove() *cobra.Command {
	cmd := each("rm", "Remove rules", func(r command.API, path string) error { return r.Delete(path) })
	cmd.Aliases = []string{"remove"}
	return cmd
}

// each is a command that does something to every rule that it names.
func each(word, short string, do func(r command.API, path string) error) *cobra.Command {
	w := owned()
	cmd := &cobra.Command{
		Use: word + " NAME…", Short: short,
		Example: "  registry trust " + word + " ci --project team", Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return w.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return do(r, w.Path(name)) })
			})
		},
	}
	w.Flags(cmd)
	return cmd
}

// until reads --expires.
func until(cmd *cobra.Command, text string) (time.Time, error) {
	at, err := command.Until(text, time.Now())
	if err != nil {
		return at, command.Misused(cmd, fmt.Errorf("--expires %w", err))
	}
	return at, nil
}
