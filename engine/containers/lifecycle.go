package containers

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"cove/events"
	"cove/internal/ids"
	"cove/runner"
	"cove/runner/record"
	"cove/runner/signals"
)

// These names of the runner are repeated here, so that whoever shows an engine to
// people imports it and nothing below.
type (
	// Streams are the caller's ends of a process's standard streams.
	Streams = runner.Streams
	// Size is a terminal's.
	Size = runner.Size
	// ExitStatus is how a process ended.
	ExitStatus = record.ExitStatus
	// StartError is a program that could not be started, with docker's exit code.
	StartError = record.StartError
	// ExecOptions are one more process in a container.
	ExecOptions = record.ExecConfig
	// LogOptions choose from a log.
	LogOptions = runner.LogOptions
)

// ErrDetached ends a session that the detach keys ended; the container goes on.
var ErrDetached = runner.ErrDetached

// ParseDetachKeys reads docker's form: "ctrl-p,ctrl-q", "a,ctrl-[". What is none
// is errdefs.ErrInvalid.
func ParseDetachKeys(text string) ([]byte, error) { return runner.ParseDetachKeys(text) }

// Start starts a container; one that runs is left as it is.
func (cs *Containers) Start(ctx context.Context, ref string) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Start(ctx)
}

// Seconds are so many; more than a century is one, as it would be less than nothing else.
func Seconds(n int) time.Duration {
	const century = 100 * 365 * 24 * 60 * 60
	return time.Duration(min(max(n, -century), century)) * time.Second
}

// StopOptions are the choices of Stop and Restart.
type StopOptions struct {
	// Timeout is how long the container may take before it is killed: less than
	// nothing is for ever, nil what it was made with.
	Timeout *time.Duration
	// Signal is sent in place of the container's own, by name or number; "" is its own.
	// What is none is errdefs.ErrInvalid.
	Signal string
}

// signal is 0 for the container's own.
func (o StopOptions) signal() (syscall.Signal, error) {
	if o.Signal == "" {
		return 0, nil
	}
	return signals.Parse(o.Signal)
}

func (o StopOptions) timeout() time.Duration {
	if o.Timeout == nil {
		return runner.OwnTimeout
	}
	return *o.Timeout
}

// Stop sends the stop signal, waits, and kills. A container that does not run is
// no error.
func (cs *Containers) Stop(ctx context.Context, ref string, o StopOptions) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	sig, err := o.signal()
	if err != nil {
		return err
	}
	return c.StopBy(ctx, sig, o.timeout())
}

// Restart stops a container, as Stop does, and starts it.
func (cs *Containers) Restart(ctx context.Context, ref string, o StopOptions) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	sig, err := o.signal()
	if err != nil {
		return err
	}
	return c.RestartBy(ctx, sig, o.timeout())
}

// Kill sends a signal, by name or number, to a container's first process; "" is
// KILL. One that does not run is errdefs.ErrConflict, and what is no signal
// errdefs.ErrInvalid.
func (cs *Containers) Kill(ctx context.Context, ref, signal string) error {
	sig, err := signals.Parse(cmp.Or(signal, "KILL"))
	if err != nil {
		return err
	}
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Kill(ctx, sig)
}

// Pause freezes all processes of a container. One that does not run, or is frozen
// already, is errdefs.ErrConflict.
func (cs *Containers) Pause(ctx context.Context, ref string) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Pause(ctx)
}

// Unpause lets the processes of a paused container go on. One that is not paused
// is errdefs.ErrConflict.
func (cs *Containers) Unpause(ctx context.Context, ref string) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Unpause(ctx)
}

// Rename gives a container another name, with docker's slash before it or
// without. One that is taken is errdefs.ErrExists.
func (cs *Containers) Rename(ctx context.Context, ref, name string) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Rename(ctx, strings.TrimPrefix(name, "/"))
}

// Wait returns how a container ended, when it has.
func (cs *Containers) Wait(ctx context.Context, ref string) (ExitStatus, error) {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return ExitStatus{}, err
	}
	return c.Wait(ctx)
}

// Logs writes the recorded output of a container, and with Follow goes on until
// it ends. One that keeps no log is errdefs.ErrUnsupported.
func (cs *Containers) Logs(ctx context.Context, ref string, o LogOptions, stdout, stderr io.Writer) error {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Logs(ctx, o, stdout, stderr)
}

// Top lists a container's processes as the host's ps shows them: a row of titles,
// then one for each process. args are ps's options. A container that does not run
// is errdefs.ErrConflict.
func (cs *Containers) Top(ctx context.Context, ref string, args []string) ([][]string, error) {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return nil, err
	}
	rows, err := c.Top(ctx, args)
	if err == nil {
		c.Tell(events.Top)
	}
	return rows, err
}

// Exec runs one more process in a container that runs and, unless it is detached,
// returns when that has ended. A program that could not start is a *StartError,
// and a session that the user left ErrDetached.
func (cs *Containers) Exec(ctx context.Context, ref string, o ExecOptions, s Streams) (ExitStatus, error) {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return ExitStatus{}, err
	}
	o.ID = cmp.Or(o.ID, ids.New())
	status, err := c.Exec(ctx, o, s)
	if errors.Is(err, ErrDetached) {
		c.Tell(events.ExecDetach, "execID", o.ID)
	}
	return status, err
}

// Attached is a container that streams are about to be connected to.
type Attached struct {
	ID string
	// TTY says that it has a terminal, and OpenStdin that it reads what is sent.
	TTY, OpenStdin bool
}

func attachedTo(c *runner.Container) Attached {
	cfg := c.Config()
	return Attached{ID: cfg.ID, TTY: cfg.Terminal, OpenStdin: cfg.OpenStdin}
}

// AttachOptions are the choices of Attach.
type AttachOptions struct {
	// Start starts the container, so that none of its output is missed.
	Start bool
	// Streams gives the caller's streams, once the container is found to run, or to
	// have been started.
	Streams func(Attached) (Streams, error)
}

// Attach connects the caller's streams to a container until it ends, and returns
// how. One that does not run, and is not to be started, is errdefs.ErrConflict; a
// session that the user left is ErrDetached.
func (cs *Containers) Attach(ctx context.Context, ref string, o AttachOptions) (ExitStatus, error) {
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return ExitStatus{}, err
	}
	open := c.Attach
	if o.Start {
		open = c.StartAttached
	}
	s, err := open(ctx)
	if err != nil {
		return ExitStatus{}, err
	}
	defer s.Close()
	streams, err := o.Streams(attachedTo(c))
	if err != nil {
		return ExitStatus{}, err
	}
	status, err := s.Stream(ctx, streams)
	if errors.Is(err, ErrDetached) {
		c.Tell(events.Detach)
	}
	return status, err
}
