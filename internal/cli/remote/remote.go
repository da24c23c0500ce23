package remote

import (
	"cmp"
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
// that, which comes here, too; so are those that go there by themselves. pack knows the
// files of a build, where this program has the builder.
func Take(root *cobra.Command, a *app.App, e Endpoint, pack Packer) {
	for _, cmd := range root.Commands() {
		Take(cmd, a, e, pack)
		if cmd.RunE == nil || app.GoesThere(cmd) || app.InSibling(cmd) ||
			cmd.HasSubCommands() && strings.Contains(cmd.Use, "COMMAND") {
			continue
		}
		cmd.ValidArgsFunction = cobra.NoFileCompletions // those of here are not there
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return e.run(cmd.Context(), a, invocation{cmd: cmd, args: args}, pack)
		}
	}
}

// invocation is a command as it was called.
type invocation struct {
	cmd  *cobra.Command
	args []string
}

// run does a command there. Files of this side that it reads or writes travel; others
// are refused, because the other side would look for its own.
func (e Endpoint) run(ctx context.Context, a *app.App, i invocation, pack Packer) error {
	if err := i.refuse(e); err != nil {
		return err
	}
	t, err := i.travelling()
	if err != nil {
		return err
	}
	if t != nil {
		defer t.close()
		return e.trip(ctx, a, t)
	}
	l, err := i.luggage(ctx, a, pack)
	if err != nil {
		return err
	}
	if !l.empty() {
		return e.travel(ctx, a, i, l)
	}
	ssh, err := program("ssh", "reaching "+e.text)
	if err != nil {
		return err
	}
	terminal, options := i.streams(a)
	err = syscall.Exec(ssh, e.ssh(terminal, options, a.Args), os.Environ())
	return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w", ssh, err)
}

// streams says what ssh makes of this process's streams.
func (i invocation) streams(a *app.App) (terminal bool, options []string) {
	if terminal = allTerminals(a); !terminal && !i.reads() {
		options = []string{"-n"} // what is typed, or follows in a script's input, is not for it
	}
	return terminal, options
}

// trip has one file as standard input or output of a command there.
func (e Endpoint) trip(ctx context.Context, a *app.App, t *trip) error {
	do := func(out io.Writer) error {
		cmd, err := e.command(ctx, e.ssh(false, nil, t.words))
		if err != nil {
			return err
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = t.in, out, a.Err
		return exitOf(ctx, cmd.Run())
	}
	if t.out != "" {
		return app.WriteFile(t.out, do)
	}
	return do(a.Out)
}

// child is a command there for which this process stays.
type child struct {
	words, options []string
	in             io.Reader
}

func (e Endpoint) child(ctx context.Context, a *app.App, i invocation, c child) error {
	terminal, options := i.streams(a)
	if c.in != nil {
		terminal, options = false, nil
	}
	cmd, err := e.command(ctx, e.ssh(terminal, append(options, c.options...), c.words))
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = cmp.Or(c.in, a.In), a.Out, a.Err
	return exitOf(ctx, cmd.Run())
}

// command is ssh, which ends when the context does.
func (e Endpoint) command(ctx context.Context, argv []string) (*exec.Cmd, error) {
	ssh, err := program("ssh", "reaching "+e.text)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, ssh, argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd, nil
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
