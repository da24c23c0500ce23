// Package command is what the registry's commands share: how they are grouped and
// refuse what they do not know, which registry they are about, and how they print
// a list.
package command

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// UsageError is a command called wrongly.
type UsageError struct {
	Command string
	Err     error
}

func (e *UsageError) Error() string {
	return fmt.Sprintf("%v; see '%s --help'", e.Err, e.Command)
}

func (e *UsageError) Unwrap() error { return e.Err }

// Misused is the error of a command that was called wrongly.
func Misused(cmd *cobra.Command, err error) error { return &UsageError{cmd.CommandPath(), err} }

// NoCommand refuses what is no command below cmd, and names the nearest one.
func NoCommand(cmd *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+given[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return &UsageError{cmd.CommandPath(), err}
}

// Args wraps cobra's checks of the number of arguments.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return &UsageError{
				cmd.CommandPath(),
				fmt.Errorf("%w: %s", err, strings.TrimSuffix(cmd.UseLine(), " [flags]")),
			}
		}
		return nil
	}
}

// Group is a command that only holds others.
func Group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: NoCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}

// RootFlag adds --root.
func RootFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "root", os.Getenv("COVE_REGISTRY_ROOT"),
		"folder of the registry's state (default /var/lib/cove-registry)")
}
