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
	"cove/internal/cli/registrycmd/accesscmd"
	"cove/internal/cli/registrycmd/auditcmd"
	"cove/internal/cli/registrycmd/backupcmd"
	"cove/internal/cli/registrycmd/certcmd"
	"cove/internal/cli/registrycmd/command"
	"cove/internal/cli/registrycmd/configcmd"
	"cove/internal/cli/registrycmd/endpointcmd"
	"cove/internal/cli/registrycmd/groupcmd"
	"cove/internal/cli/registrycmd/membercmd"
	"cove/internal/cli/registrycmd/migratecmd"
	"cove/internal/cli/registrycmd/projectcmd"
	"cove/internal/cli/registrycmd/proxycmd"
	"cove/internal/cli/registrycmd/replicationcmd"
	"cove/internal/cli/registrycmd/robotcmd"
	"cove/internal/cli/registrycmd/rolecmd"
	"cove/internal/cli/registrycmd/tokencmd"
	"cove/internal/cli/registrycmd/trustcmd"
	"cove/internal/cli/registrycmd/usercmd"
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
	var usage *command.UsageError
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
		Args:          command.NoCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return command.Misused(cmd, err)
	})
	root.AddCommand(work()...)
	root.AddCommand(newServe(), configcmd.New(), certcmd.New(), newClientConfig())
	root.AddCommand(newFsck(), newReindex(), newGC(), newImport())
	root.AddCommand(backupcmd.NewBackup(), backupcmd.NewRestore(), migratecmd.New())
	root.AddCommand(proxycmd.New(), endpointcmd.New(), replicationcmd.New())
	root.AddCommand(usercmd.New(), projectcmd.New(), membercmd.New(), groupcmd.New(), rolecmd.New(), auditcmd.New(),
		robotcmd.New(), trustcmd.New(), tokencmd.New(), accesscmd.New())
	takeAway(root)
	return root
}
