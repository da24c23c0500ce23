package life

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/events"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/signals"
)

// Kill sends a signal to the container's first process. With SIGKILL the kernel
// ends all others of its pid namespace, too. When the signal is one that ends
// the process whatever it likes, Kill returns when its end is recorded.
func (c *Container) Kill(ctx context.Context, sig syscall.Signal) error {
	st, err := c.State(ctx)
	if err != nil {
		return err
	}
	own, serr := signals.Parse(c.cfg.StopSignal) // an image may name one that does not exist
	if sig == unix.SIGKILL || serr == nil && sig == own {
		if waited, err := c.stopped(ctx, st); waited || err != nil {
			return err
		}
	}
	if !st.Alive() {
		return c.notRunning()
	}
	if sig != unix.SIGKILL && !process.EndsBy(st.Pid, sig) {
		return c.signal(st, sig)
	}
	if err := c.signal(st, sig); err != nil {
		return err
	}
	return c.finish(ctx, st)
}

// signal sends one to the first process of a container that runs.
func (c *Container) signal(st record.State, sig syscall.Signal) error {
	c.Tell(events.Kill, "signal", strconv.Itoa(int(sig))) // its end is told by another process, after this
	same := func() bool { now, err := c.dir.State(); return err == nil && now.Pid == st.Pid }
	switch err := process.Signal(st.Pid, sig, same); {
	case errors.Is(err, unix.ESRCH):
		return c.notRunning()
	case err != nil:
		return fmt.Errorf("container %s: sending %v: %w", c, sig, err)
	}
	return nil
}

// OwnTimeout is, to Stop and Restart, the timeout that the container was made with.
const OwnTimeout time.Duration = math.MinInt64

const defaultStopTimeout = 10 * time.Second

// Stop sends the stop signal, waits, and kills; a timeout of less than nothing
// waits for ever. A container that does not run is no error.
func (c *Container) Stop(ctx context.Context, timeout time.Duration) error {
	return c.StopBy(ctx, 0, timeout)
}

// StopBy is Stop with a signal that is not the container's own, unless it is 0.
func (c *Container) StopBy(ctx context.Context, sig syscall.Signal, timeout time.Duration) error {
	st, err := c.State(ctx)
	if err != nil {
		return err
	}
	if waited, err := c.stopped(ctx, st); waited || err != nil {
		return err
	}
	if err := c.stop(ctx, st, sig, timeout); err != nil {
		return err
	}
	return c.stayEnded(ctx)
}

// StopLocked is StopBy for whoever holds the control lock.
func (c *Container) StopLocked(ctx context.Context, sig syscall.Signal, timeout time.Duration) error {
	if err := c.dir.SetMark(record.StopMark, true); err != nil {
		return err
	}
	st, err := c.State(ctx)
	if err == nil {
		err = c.stop(ctx, st, sig, timeout)
	}
	return errors.Join(err, c.EndRestart(ctx))
}

// stopped marks a container as ended by a person; one that waits to be started
// again waits no more, and that is all there is to do.
func (c *Container) stopped(ctx context.Context, st record.State) (waited bool, err error) {
	if c.cfg.Restart.Name == "" || !st.Alive() && st.Status != record.Restarting {
		return false, nil
	}
	if err := c.dir.SetMark(record.StopMark, true); err != nil || st.Status != record.Restarting {
		return false, err
	}
	err = c.Hold(ctx, func(now record.State) error {
		if waited = now.Status == record.Restarting; waited {
			return c.EndRestart(ctx)
		}
		return nil
	})
	return waited, err
}

// stayEnded is for a container that ended by itself before it was marked.
func (c *Container) stayEnded(ctx context.Context) error {
	if st, err := c.dir.State(); err != nil || st.Status != record.Restarting {
		return nil //nolint:nilerr // it is gone, or State tells what is wrong with it
	}
	return c.Hold(ctx, func(record.State) error { return c.EndRestart(ctx) })
}

// EndRestart ends the process that waits to start the container again, if there is
// one. The caller holds the control lock, without which it starts nothing.
func (c *Container) EndRestart(ctx context.Context) error {
	st, err := c.dir.State()
	if err != nil || st.Status != record.Restarting {
		return nil //nolint:nilerr // it is gone, or State tells what is wrong with it
	}
	if err := c.endHolder(ctx, record.RestartLock); err != nil {
		return err
	}
	_, err = c.State(ctx)
	return err
}

// stop ends a container that runs.
func (c *Container) stop(ctx context.Context, st record.State, sig syscall.Signal, timeout time.Duration) error {
	if !st.Alive() {
		return nil
	}
	err := c.endWithin(ctx, st, sig, timeout)
	if err == nil {
		c.Tell(events.Stop)
	}
	return err
}

func (c *Container) endWithin(
	ctx context.Context, st record.State, sig syscall.Signal, timeout time.Duration,
) (err error) {
	if timeout == OwnTimeout {
		timeout = defaultStopTimeout
		if own := c.cfg.StopTimeout; own != nil {
			timeout = *own
		}
	}
	if sig == 0 {
		if sig, err = signals.Parse(c.cfg.StopSignal); err != nil {
			return err
		}
	}
	err = c.signal(st, sig)
	if err == nil && st.Status == record.Paused {
		err = c.thaw(ctx, st)
	}
	if err != nil && !errors.Is(err, errdefs.ErrConflict) {
		return err
	}
	grace, cancel := context.WithCancel(ctx)
	if timeout >= 0 {
		grace, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	_, err = c.Wait(grace)
	if errors.Is(err, errdefs.ErrUnavailable) { // the monitor hangs: wait for the process itself
		process.AwaitEnd(grace, st.Pid)
		err = context.DeadlineExceeded
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return c.End(ctx)
	case errors.Is(err, errdefs.ErrNotFound):
		return nil // AutoRemove
	}
	return err
}

// End ends the container and waits for its end; one that does not run, or is
// gone, is no error.
func (c *Container) End(ctx context.Context) error {
	st, err := c.running(ctx)
	if err == nil {
		_, err = c.stopped(ctx, st)
	}
	if err == nil {
		err = c.signal(st, unix.SIGKILL)
	}
	// A process that is gone already may still have to be recorded as ended.
	if err == nil || st.Alive() && errors.Is(err, errdefs.ErrConflict) {
		err = c.finish(ctx, st)
	}
	if errors.Is(err, errdefs.ErrConflict) || errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// finish waits until the end of a container is recorded whose first process was
// sent a signal that ends it. A monitor that does not answer is killed, and what
// it had to do is done here.
func (c *Container) finish(ctx context.Context, st record.State) error {
	limited, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	go c.keepThawed(limited, st)
	_, err := c.Wait(limited)
	if err == nil || errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if process.AwaitEnd(limited, st.Pid); process.Running(st.Pid) {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"container %s: its process %d does not end: it waits in the kernel (state %c)",
			c, st.Pid, process.State(st.Pid))
	}
	if err := c.EndMonitor(ctx); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if _, err = c.State(ctx); errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}
