package tagcmd

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/work"
	"cove/registry/auth"
	"cove/registry/immutable"
	"cove/registry/selector"
	"cove/registry/server"
)

// NewImmutable is the command "immutable" with those below it.
func NewImmutable() *cobra.Command {
	return command.Group("immutable", "Keep tags where they are",
		newImmutableList(), newImmutableAdd(), newImmutableRemove())
}

func newImmutableList() *cobra.Command {
	var t command.Target
	var list command.List
	cmd := &cobra.Command{
		Use: "ls PROJECT", Aliases: []string{"list"}, Short: "List the rules of a project",
		Example: `  registry immutable ls team`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				all, err := s.Policies.Immutable.List(cmd.Context(), by, a[0])
				if err != nil {
					return err
				}
				return list.Print(cmd, "RULE KEEPS BY SINCE", command.Items(all, func(r immutable.Rule) command.Item {
					return command.Item{
						Row:    []string{strconv.FormatInt(r.ID, 10), r.String(), r.By, command.Stamp(r.At)},
						Object: work.ImmutableRuleOf(r),
					}
				}))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newImmutableAdd() *cobra.Command {
	var t command.Target
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
			return t.Administer(cmd.Context(), func(services server.Services, by auth.Caller) error {
				rule, err := services.Policies.Immutable.Add(cmd.Context(), by, a[0], s)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), rule.ID)
				return err
			})
		},
	}
	t.Flags(cmd)
	command.SelectorFlags(cmd, &s)
	return cmd
}

func newImmutableRemove() *cobra.Command {
	var t command.Target
	cmd := &cobra.Command{
		Use: "rm PROJECT RULE", Aliases: []string{"remove"}, Short: "Let tags move again",
		Example: `  registry immutable rm team 123273128877563084`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			id, err := strconv.ParseInt(a[1], 10, 64)
			if err != nil {
				return command.Misused(cmd, fmt.Errorf("%q is no rule; \"registry immutable ls\" lists them", a[1]))
			}
			return t.Administer(cmd.Context(), func(s server.Services, by auth.Caller) error {
				return s.Policies.Immutable.Remove(cmd.Context(), by, a[0], id)
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
