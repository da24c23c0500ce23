package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/internal/process"
	"cove/runner/attach"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/cgroup"
)

// Wait waits until the container is not running; one that never ran answers at
// once. A container that is removed meanwhile answers with the code it ended with.
// A monitor that does not answer is errdefs.ErrUnavailable.
func (c *Container) Wait(ctx context.Context) (record.ExitStatus, error) {
	st, err := c.State(ctx)
	if err != nil || !alive(st) {
		return exitOf(st), err
	}
	conn, err := c.call(ctx, st.Monitor, attach.Hello{Kind: attach.Wait})
	if errors.Is(err, errdefs.ErrNotFound) {
		return c.ended(ctx) // between the two
	}
	if err != nil {
		return record.ExitStatus{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	p, err := c.await(ctx, conn, st.Monitor, forever)
	if ctx.Err() != nil || errors.Is(err, errdefs.ErrUnavailable) {
		return record.ExitStatus{}, err
	}
	if err != nil || p.Type != attach.TypeExit {
		return c.ended(ctx)
	}
	var status record.ExitStatus
	if err := leanjson.Unmarshal(p.Data, &status); err != nil {
		return status, fmt.Errorf("container %s: monitor answered %q: %w", c, p.Data, err)
	}
	return status, nil
}

// ended reads the end of a container that ran and whose monitor is not there
// any more. It may be about to write it: its lock tells when it has.
func (c *Container) ended(ctx context.Context) (record.ExitStatus, error) {
	lock, err := c.dir.Lock(ctx, record.MonitorLock, answerTimeout)
	if err == nil {
		record.Unlock(lock)
		var st record.State
		if st, err = c.State(ctx); err == nil {
			return exitOf(st), nil
		}
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return exitOf(record.State{}.Lost(time.Time{})), nil // removed with its end, of which nothing is told
	}
	return record.ExitStatus{}, err
}

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

// OwnTimeout is, to Stop and Restart, the timeout that the container was made with.
const OwnTimeout time.Duration = math.MinInt64

// Stop sends the stop signal, waits, and kills; a timeout of less than nothing
// waits for ever. A container that does not run is no error.
func (c *Container) Stop(ctx context.Context, timeout time.Duration) error {
	st, err := c.State(ctx)
	if err != nil || !alive(st) {
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
	if errors.Is(err, errdefs.ErrUnavailable) { // a monitor that hangs: do without it
		awaitEnd(grace, st.Pid)
		err = context.DeadlineExceeded
	}
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

// awaitEnd waits until a process, which need not be a child, has ended.
func awaitEnd(ctx context.Context, pid int) {
	for process.Running(pid) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// kill ends the container and waits for its end; one that does not run, or is
// gone, is no error.
func (c *Container) kill(ctx context.Context) error {
	st, err := c.running(ctx)
	if err == nil {
		err = c.signal(st, unix.SIGKILL)
	}
	// A process that is gone already may still have to be recorded as ended.
	if err == nil || alive(st) && errors.Is(err, errdefs.ErrConflict) {
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

// keepThawed thaws the container as long as ctx lasts: the frozen take no
// signal, and somebody may pause it after it was sent.
func (c *Container) keepThawed(ctx context.Context, st record.State) {
	g, err := c.group(st)
	if err != nil {
		return // then it cannot have been frozen either
	}
	for delay := time.Duration(0); ; delay = 50 * time.Millisecond {
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		if frozen, err := g.Frozen(); err != nil || frozen && g.Thaw(ctx) != nil {
			return // the group is gone, with all that was in it
		}
	}
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

// Restart stops the container, as Stop does, and starts it. Several at once come
// one after the other.
func (c *Container) Restart(ctx context.Context, timeout time.Duration) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if c.cfg.AutoRemove {
		if err := c.dir.SetMark(record.KeepMark, true); err != nil {
			return err
		}
	}
	if err := c.Stop(ctx, timeout); err != nil {
		return errors.Join(err, c.dir.SetMark(record.KeepMark, false))
	}
	s, err := c.startLocked(ctx, attach.Hello{Kind: attach.Wait})
	if err == nil {
		return s.Close()
	}
	if c.cfg.AutoRemove && !errors.Is(err, errdefs.ErrNotFound) {
		err = errors.Join(err, task.Discard(context.WithoutCancel(ctx), c.dir, c.cfg))
	}
	return err
}

// Pause freezes all processes of the container.
func (c *Container) Pause(ctx context.Context) error {
	return c.Hold(ctx, func(st record.State) error {
		if st.Status == record.Paused {
			return errdefs.Errorf(errdefs.ErrConflict, "container %s is already paused", c)
		}
		return c.setFrozen(ctx, st, true)
	})
}

// Unpause lets them go on.
func (c *Container) Unpause(ctx context.Context) error {
	return c.Hold(ctx, func(st record.State) error {
		if st.Status != record.Paused {
			return errdefs.Errorf(errdefs.ErrConflict, "container %s is not paused", c)
		}
		return c.setFrozen(ctx, st, false)
	})
}

// setFrozen freezes or thaws a container; the control lock is held. That it is
// paused is recorded before it is, and until it is not: a kill in between leaves
// one that can be unpaused.
func (c *Container) setFrozen(ctx context.Context, st record.State, on bool) error {
	if !alive(st) {
		return c.notRunning()
	}
	g, err := c.group(st)
	if err != nil {
		return err
	}
	if on {
		limited, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		if err = c.dir.SetMark(record.PausedMark, true); err == nil {
			if err = g.Freeze(limited); err != nil {
				err = errors.Join(c.unfreezable(ctx, g, err), c.dir.SetMark(record.PausedMark, false))
			}
		}
	} else if err = g.Thaw(ctx); err == nil {
		err = c.dir.SetMark(record.PausedMark, false)
	}
	if err != nil && !process.Running(st.Pid) {
		if _, err := c.ended(ctx); err != nil { // as soon as that is recorded
			return err
		}
		return c.notRunning()
	}
	return err
}

// unfreezable names what keeps a group from being frozen.
func (c *Container) unfreezable(ctx context.Context, g *cgroup.Group, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	pids, _ := g.Procs() // only for the text
	for _, pid := range pids {
		if state := process.State(pid); state == 'D' {
			return errdefs.Errorf(errdefs.ErrUnavailable,
				"container %s: process %d (%s) cannot be frozen: it waits in the kernel (state D)",
				c, pid, process.Name(pid))
		}
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "container %s: its processes were not frozen within %s", c,
		answerTimeout)
}

func (c *Container) thaw(ctx context.Context, st record.State) error {
	g, err := c.group(st)
	if err != nil {
		return err
	}
	if err := g.Thaw(ctx); !errors.Is(err, fs.ErrNotExist) { // it went with its processes
		return err
	}
	return nil
}
