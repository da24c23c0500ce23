package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// Docker becomes docker's client at an endpoint where docker's API is served.
func (e Endpoint) Docker(args []string) error {
	path, err := program("docker", "speaking docker's API at "+e.text)
	if err != nil {
		return err
	}
	err = syscall.Exec(path, append([]string{"docker", "--host", e.text}, args...), os.Environ())
	return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w", path, err)
}

// Speaks reports whether docker's API is at the endpoint, and not a cove to execute.
func (e Endpoint) Speaks() bool { return e.scheme == "unix" || e.scheme == "tcp" }

// Take has every command below root done at an endpoint. Flags and arguments are
// checked here, help is shown here, and commands that another binary has are left to
// that, which comes here, too.
func Take(root *cobra.Command, a *app.App, e Endpoint) {
	for _, cmd := range root.Commands() {
		Take(cmd, a, e)
		if cmd.RunE == nil || cmd.HasSubCommands() && strings.Contains(cmd.Use, "COMMAND") || app.InSibling(cmd) {
			continue
		}
		cmd.ValidArgsFunction = cobra.NoFileCompletions // those of here are not there
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return e.run(cmd.Context(), a, invocation{cmd: cmd, args: args})
		}
	}
}

// invocation is a command as it was called.
type invocation struct {
	cmd  *cobra.Command
	args []string
}

// run does a command there. Files of this side travel where a command reads or writes
// one whole; others are refused, because the other side would look for its own.
func (e Endpoint) run(ctx context.Context, a *app.App, i invocation) error {
	if err := i.refuse(e); err != nil {
		return err
	}
	t, err := i.travelling()
	if err != nil {
		return err
	}
	ssh, err := program("ssh", "reaching "+e.text)
	if err != nil {
		return err
	}
	if t == nil {
		terminal := allTerminals(a)
		var options []string
		if !terminal && !i.reads() {
			options = append(options, "-n") // what is typed, or follows in a script's input, is not for it
		}
		err := syscall.Exec(ssh, e.ssh(terminal, options, a.Args), os.Environ())
		return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w", ssh, err)
	}
	defer t.close()
	do := func(out io.Writer) error {
		cmd := exec.CommandContext(ctx, ssh, e.ssh(false, nil, t.words)[1:]...)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Stdin, cmd.Stdout, cmd.Stderr = t.in, out, a.Err
		return exitOf(ctx, cmd.Run())
	}
	if t.out != "" {
		return app.WriteFile(t.out, do)
	}
	return do(a.Out)
}

// exitOf is the end of a command there as that of this one.
func exitOf(ctx context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &app.Exit{Code: max(exit.ExitCode(), app.CodeFailed)}
	}
	return err
}

func allTerminals(a *app.App) bool {
	for _, stream := range []any{a.In, a.Out, a.Err} {
		if _, ok := app.Terminal(stream); !ok {
			return false
		}
	}
	return true
}

// readers are the commands that read their input whatever their flags are.
var readers = []string{
	"attach", "start", "load", "import", "login", "cp", "build", "registry", "api", "dial-stdio",
}

// reads reports whether a command may read its standard input.
func (i invocation) reads() bool {
	if f := i.cmd.Flags().Lookup("interactive"); f != nil {
		return f.Value.String() == "true"
	}
	return slices.Contains(readers, i.cmd.Name())
}

// EndWithConnection ends this process, as by kill, when nobody can read its standard
// output any more: the other end of the connection is gone, and would not be noticed
// by who waits for something to say.
func EndWithConnection() {
	go func() {
		fds := []unix.PollFd{{Fd: 1}} // errors are always told
		for {
			n, err := unix.Poll(fds, -1)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil || fds[0].Revents&unix.POLLNVAL != 0:
				return
			case n > 0:
				_ = unix.Kill(os.Getpid(), unix.SIGTERM)
				return
			}
		}
	}()
}
