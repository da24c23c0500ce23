package runner

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/attach"
	"cove/runner/record"
)

// Wait waits until the container is not running; one that never ran answers at
// once. A container that is removed meanwhile answers with the code it ended with.
func (c *Container) Wait(ctx context.Context) (ExitStatus, error) {
	st, err := c.State(ctx)
	if err != nil || !alive(st) {
		return exitOf(st), err
	}
	conn, err := attach.Dial(c.dir.Socket(c.r.opts.Run), attach.Hello{Kind: attach.Wait})
	if errors.Is(err, errdefs.ErrNotFound) {
		return c.ended(ctx) // between the two
	}
	if err != nil {
		return ExitStatus{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	p, err := conn.Receive(true)
	if ctx.Err() != nil {
		return ExitStatus{}, ctx.Err()
	}
	if err != nil || p.Type != attach.TypeExit {
		return c.ended(ctx)
	}
	var status ExitStatus
	if err := leanjson.Unmarshal(p.Data, &status); err != nil {
		return status, fmt.Errorf("container %s: monitor answered %q: %w", c, p.Data, err)
	}
	return status, nil
}

// ended reads the end of a container whose monitor does not answer. It may be
// about to write it: its lock tells when it has.
func (c *Container) ended(ctx context.Context) (ExitStatus, error) {
	lock, err := c.dir.Lock("monitor", true)
	if err != nil {
		return ExitStatus{}, err
	}
	lock.Close()
	st, err := c.State(ctx)
	return exitOf(st), err
}

// Kill sends a signal to the container's first process. With SIGKILL the kernel
// ends all others of its pid namespace, too.
func (c *Container) Kill(ctx context.Context, sig syscall.Signal) error {
	st, err := c.running(ctx)
	if err != nil {
		return err
	}
	if err := c.signal(st, sig); err != nil {
		return err
	}
	if sig == unix.SIGKILL && st.Status == Paused {
		return c.thaw(ctx, st) // the frozen take no signal
	}
	return nil
}

// signal goes through a pidfd: the pid cannot mean another process between the
// look at the state and the signal.
func (c *Container) signal(st State, sig syscall.Signal) error {
	gone := errdefs.Errorf(errdefs.ErrConflict, "container %s is not running", c)
	fd, err := unix.PidfdOpen(st.Pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return gone
	}
	if err != nil {
		return fmt.Errorf("container %s: opening process %d: %w", c, st.Pid, err)
	}
	defer unix.Close(fd)
	now, err := c.dir.State()
	if err != nil || now.Pid != st.Pid {
		return gone
	}
	switch err := unix.PidfdSendSignal(fd, sig, nil, 0); {
	case errors.Is(err, unix.ESRCH):
		return gone
	case err != nil:
		return fmt.Errorf("container %s: sending %v: %w", c, sig, err)
	}
	return nil
}

// Stop sends the stop signal, waits, and kills; timeout < 0 is the container's
// own. A container that does not run is no error.
func (c *Container) Stop(ctx context.Context, timeout time.Duration) error {
	st, err := c.State(ctx)
	if err != nil || !alive(st) {
		return err
	}
	if timeout < 0 {
		if timeout = c.cfg.StopTimeout; timeout == 0 {
			timeout = defaultStopTimeout
		}
	}
	sig, err := record.ParseSignal(c.cfg.StopSignal)
	if err != nil {
		return err
	}
	err = c.signal(st, sig)
	if err == nil && st.Status == Paused {
		err = c.thaw(ctx, st)
	}
	if err != nil && !errors.Is(err, errdefs.ErrConflict) {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err = c.Wait(patience)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return c.kill(ctx)
	case errors.Is(err, errdefs.ErrNotFound):
		return nil // removed itself
	}
	return err
}

const defaultStopTimeout = 10 * time.Second

// kill kills and waits for the end.
func (c *Container) kill(ctx context.Context) error {
	if err := c.Kill(ctx, unix.SIGKILL); err != nil && !errors.Is(err, errdefs.ErrConflict) {
		return err
	}
	_, err := c.Wait(ctx)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// Pause freezes all processes of the container.
func (c *Container) Pause(ctx context.Context) error {
	return c.freeze(ctx, Running, Paused)
}

// Unpause lets them go on.
func (c *Container) Unpause(ctx context.Context) error {
	return c.freeze(ctx, Paused, Running)
}

func (c *Container) freeze(ctx context.Context, from, to Status) error {
	control, err := c.dir.Lock("control", true)
	if err != nil {
		return err
	}
	defer control.Close()
	st, err := c.running(ctx)
	if err != nil {
		return err
	}
	if st.Status != from {
		return errdefs.Errorf(errdefs.ErrConflict, "container %s is %s, not %s", c, st.Status, from)
	}
	g, err := c.group(st)
	if err != nil {
		return err
	}
	if to == Paused {
		err = g.Freeze(ctx)
	} else {
		err = g.Thaw(ctx)
	}
	if err != nil {
		return err
	}
	st.Status = to
	return c.dir.SetState(st, false)
}

func (c *Container) thaw(ctx context.Context, st State) error {
	g, err := c.group(st)
	if err != nil {
		return err
	}
	return g.Thaw(ctx)
}
