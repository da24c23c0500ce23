package life

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/process"
	"cove/runner/record"
)

// Kill sends a signal to the container's first process. With SIGKILL the kernel
// ends all others of its pid namespace, too. When the signal is one that ends
// the process whatever it likes, Kill returns when its end is recorded.
func (c *Container) Kill(ctx context.Context, sig syscall.Signal) error {
	st, err := c.running(ctx)
	if err != nil {
		return err
	}
	if sig != unix.SIGKILL && !endsBy(st.Pid, sig) {
		return c.signal(st, sig)
	}
	if err := c.signal(st, sig); err != nil {
		return err
	}
	return c.finish(ctx, st)
}

// signal goes through a pidfd: the pid cannot mean another process between the
// look at the state and the signal.
func (c *Container) signal(st record.State, sig syscall.Signal) error {
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

// endsBy reports whether a signal ends a process whatever the process likes: it
// neither handles nor ignores it, and what is done by default is to end. The
// first process of a pid namespace is spared what it does not handle
// (pid_namespaces(7)).
func endsBy(pid int, sig syscall.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return false // signal(7): ignored, or a stop
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "NSpid":
			if fields := strings.Fields(value); len(fields) > 1 && fields[len(fields)-1] == "1" {
				return false
			}
		case "SigIgn", "SigCgt":
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil || mask&(1<<(uint(sig)-1)) != 0 {
				return false
			}
		}
	}
	return true
}

// OwnTimeout is, to Stop and Restart, the timeout that the container was made with.
const OwnTimeout time.Duration = math.MinInt64

const defaultStopTimeout = 10 * time.Second

// Stop sends the stop signal, waits, and kills; a timeout of less than nothing
// waits for ever. A container that does not run is no error.
func (c *Container) Stop(ctx context.Context, timeout time.Duration) error {
	st, err := c.State(ctx)
	if err != nil || !st.Alive() {
		return err
	}
	if timeout == OwnTimeout {
		timeout = defaultStopTimeout
		if own := c.cfg.StopTimeout; own != nil {
			timeout = *own
		}
	}
	sig, err := record.ParseSignal(c.cfg.StopSignal)
	if err != nil {
		return err
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
		awaitEnd(grace, st.Pid)
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
	if awaitEnd(limited, st.Pid); process.Running(st.Pid) {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"container %s: its process %d does not end: it waits in the kernel (state %c)",
			c, st.Pid, process.State(st.Pid))
	}
	if err := c.endMonitor(ctx); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if _, err = c.State(ctx); errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}
