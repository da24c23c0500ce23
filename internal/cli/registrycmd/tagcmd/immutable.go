package tagcmd

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/selector"
)

// NewImmutable is the command "immutable" with those below it.
func NewImmutable() *cobra.Command {
	return command.Group("immutable", "Keep tags where they are",
		newImmutableList(), newImmutableAdd(), newImmutableRemove())
}

func newImmutableList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "ls PROJECT", Aliases: []string{"list"}, Short: "List the rules of a project",
		Example: `  registry immutable ls team`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all work.ImmutableRules
				if err := r.Get(command.Path("projects", a[0], "immutable"), &all); err != nil {
					return err
				}
				return list.Print(cmd, "RULE KEEPS BY SINCE", command.Items(all.Items, ruleItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func ruleItem(r work.ImmutableRule) command.Item {
	keeps := selector.Selector(r.Selector).String()
	return command.Item{Row: []string{r.ID, keeps, r.By, command.Stamp(r.At)}, Object: r}
}

func newImmutableAdd() *cobra.Command {
	var t command.Registry
	var s selector.Selector
	cmd := &cobra.Command{
		Use: "add PROJECT", Short: "Keep tags of a project where they are, and print the rule",
		Long: `Keep tags of a project where they are: once one is pushed it is neither moved nor
deleted. Signatures and other referrers can still be added.

In a glob * is any text, ** crosses slashes, ? is one character, {a,b} either.`,
		Example: `  registry immutable add team --tags 'v*'
  registry immutable add team --tags 'nightly-*' --except-tags --repositories 'release/**'`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var rule work.ImmutableRule
				if err := r.Post(command.Path("projects", a[0], "immutable"), work.Selector(s), &rule); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), rule.ID)
				return err
			})
		},
	}
	t.Flags(cmd)
	command.SelectorFlags(cmd, &s)
	return cmd
}

func newImmutableRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm PROJECT RULE", Aliases: []string{"remove"}, Short: "Let tags move again",
		Example: `  registry immutable rm team 123273128877563084`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if _, err := strconv.ParseInt(a[1], 10, 64); err != nil {
				return command.Misused(cmd, fmt.Errorf("%q is no rule; \"registry immutable ls\" lists them", a[1]))
			}
			return t.Do(cmd, func(r command.API) error {
				return r.Delete(command.Path("projects", a[0], "immutable", a[1]))
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
