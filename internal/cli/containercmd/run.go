// Package containercmd holds the commands about containers: run, ps, exec,
// logs and the rest, in docker's grammar.
package containercmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/containers"
	"cove/engine/containers/reach"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/progress"
	"cove/internal/cli/runflags"
)

// Run makes a container and runs it.
func Run(a *app.App) *cobra.Command {
	var f runflags.Flags
	var sigProxy, explain, timed bool
	var detachKeys string
	cmd := &cobra.Command{
		Use:   "run [flags] IMAGE [COMMAND] [ARG...]",
		Short: "Create a container from an image and run it",
		Example: `  run --rm -it debian bash
  run -d --name db -p 127.0.0.1:6379:6379 -v data:/data redis
  run --rm --network none --memory 64m --cpus 0.5 busybox sh -c 'echo hello'
  run --explain busybox true
  run --rm --timeline busybox true`,
		Args: app.MinArgs(1),
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.BoolVarP(&f.Detach, "detach", "d", false, "leave it running and print its id")
	f.Register(fs)
	fs.BoolVar(&sigProxy, "sig-proxy", true, "hand signals on to it")
	fs.StringVar(&detachKeys, "detach-keys", "", keysUsage)
	fs.BoolVar(&explain, "explain", false, "print the system calls that would be made, and make none")
	fs.BoolVar(&timed, "timeline", false, "say how long each phase of its start took, in microseconds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, o, err := prepare(cmd.Context(), &f, a, args)
		if err != nil {
			return failed(err)
		}
		if explain {
			return failed(eng.Explain(cmd.Context(), o, a.Out))
		}
		t := &terminal{a: a}
		defer t.restore()
		o.StdinStays = f.Detach // nobody's input ends, until somebody attaches, and then another
		run := containers.RunOptions{CreateOptions: o, Detach: f.Detach}
		run.Created = func(id string) error { return writeCID(f.CIDFile, id) }
		run.Streams = func(c containers.Attached) (containers.Streams, error) {
			if sigProxy {
				proxySignals(a, eng, c.ID)
			}
			return t.open(terminalOptions{stdin: f.Stdin, tty: f.TTY, keys: detachKeys, only: f.Attach})
		}
		seen := terminalOptions{stdin: f.Stdin && !f.Detach, tty: f.TTY && !f.Detach, keys: detachKeys}
		if err := t.check(seen); err != nil {
			return failed(err)
		}
		var phases bytes.Buffer
		if timed {
			run.Timeline = &phases
		}
		id, status, err := eng.Run(cmd.Context(), run)
		if err == nil && (f.Detach || f.AttachesInputAlone()) {
			fmt.Fprintln(a.Out, id)
		}
		t.restore()
		_, _ = phases.WriteTo(a.Err) // nobody is left to be told
		return result(a, status, err)
	}
	return cmd
}

// Create makes a container and does not start it.
func Create(a *app.App) *cobra.Command {
	var f runflags.Flags
	cmd := &cobra.Command{
		Use:     "create [flags] IMAGE [COMMAND] [ARG...]",
		Short:   "Create a container from an image, to be started later",
		Example: "  create --name db redis",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().SetInterspersed(false)
	f.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, o, err := prepare(cmd.Context(), &f, a, args)
		if err != nil {
			return err
		}
		id, err := eng.Create(cmd.Context(), o)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Out, id)
		return writeCID(f.CIDFile, id)
	}
	return cmd
}

func prepare(
	ctx context.Context, f *runflags.Flags, a *app.App, args []string,
) (*engine.Engine, containers.CreateOptions, error) {
	o, err := f.Options(args[0], args[1:])
	if err != nil {
		return nil, o, err
	}
	if f.CIDFile != "" {
		if _, err := os.Lstat(f.CIDFile); err == nil {
			return nil, o, errdefs.Errorf(errdefs.ErrExists,
				"--cidfile %s: the file exists; another container may still use it", f.CIDFile)
		}
	}
	if !f.Quiet {
		o.Progress = progress.NewPull(a.Err).Event
	}
	for _, server := range o.DNS {
		if ip, err := netip.ParseAddr(server); err == nil && ip.IsLoopback() {
			a.Warnf("Localhost DNS setting (--dns=%s) may fail in containers.", server)
		}
	}
	for _, w := range reach.Warnings(ctx, o.Volumes) {
		a.Warnf("%s", w)
	}
	o.Env = a.Docker().WithProxies(o.Env)
	eng, err := a.Engine()
	return eng, o, err
}

func writeCID(name, id string) error {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("--cidfile: %w", err)
	}
	_, err = f.WriteString(id)
	return errors.Join(err, f.Close())
}

// failed is an error before the program ran: docker's 125.
func failed(err error) error {
	var start *containers.StartError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &start):
		return &app.Exit{Code: start.Code, Err: err}
	default:
		return &app.Exit{Code: app.CodeUsage, Err: err}
	}
}

// detached is what docker says when the detach keys end a session.
const detached = "read escape sequence"

// result ends this program as the container's ended. Leaving a container that
// this program started is no failure, as docker has it.
func result(a *app.App, status containers.ExitStatus, err error) error {
	switch {
	case errors.Is(err, containers.ErrDetached):
		fmt.Fprintln(a.Err, detached)
		return nil
	case err != nil:
		return failed(err)
	case status.Error != "":
		return &app.Exit{Code: status.Code, Err: errors.New(status.Error)}
	case status.Code != 0:
		return &app.Exit{Code: status.Code}
	}
	return nil
}
