// Package registrycmd is the registry's command line: flags, one call of the
// registry, output. It is a binary of its own, cmd/registry, so that nothing
// of a database or of metrics is linked into the others.
package registrycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"cove/internal/buildinfo"
	"cove/internal/cli/remedy"
)

// The exit codes: a command failed, or was called wrongly.
const (
	codeFailed = 1
	codeUsage  = 125
)

// Main runs the command line and returns the exit code. An interrupt or
// SIGTERM ends the context of what runs.
func Main(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := New()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(errs, "registry: %s\n", strings.ReplaceAll(remedy.Text(err), "\n", "; "))
	var usage *usageError
	if errors.As(err, &usage) {
		return codeUsage
	}
	return codeFailed
}

// New is the command "registry" with everything below it.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:     "registry",
		Short:   "A private image registry",
		Version: buildinfo.Version(),
		Long: `A private registry for container images and everything else that OCI clients push.

On an empty folder "registry serve" makes a certificate authority, a server
certificate, the user admin and its password, and says how clients come to
trust it.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd.CommandPath(), err} })
	root.AddCommand(newServe(), newCert(), newUser(), newProject(), newAudit(), newFsck(), newReindex(), newGC(),
		newImport())
	return root
}

// usageError is a command called wrongly.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v; see '%s --help'", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

// noCommand refuses what is no command below cmd, and names the nearest one.
func noCommand(cmd *cobra.Command, given []string) error {
	if len(given) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+given[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return &usageError{cmd.CommandPath(), err}
}

// args wraps cobra's checks of the number of arguments.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return &usageError{
				cmd.CommandPath(),
				fmt.Errorf("%w: %s", err, strings.TrimSuffix(cmd.UseLine(), " [flags]")),
			}
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}

// rootFlag adds --root.
func rootFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "root", os.Getenv("COVE_REGISTRY_ROOT"),
		"folder of the registry's state (default /var/lib/cove-registry)")
}
