package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/cgroup"
)

// Signal goes through a pidfd, so that it meets this process or none.
func (c *Container) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(c.Pid, 0)
	if err == nil {
		defer unix.Close(fd)
		if c.Status() == Stopped {
			err = unix.ESRCH
		} else {
			err = unix.PidfdSendSignal(fd, sig, nil, 0)
		}
	}
	if errors.Is(err, unix.ESRCH) {
		return c.notRunning()
	}
	if err != nil {
		return fmt.Errorf("container %q: sending %v: %w", c.ID, sig, err)
	}
	return nil
}

// notRunning is in the words by which containerd knows runc's.
func (c *Container) notRunning() error {
	return errdefs.Errorf(errdefs.ErrConflict, "container %q: container not running", c.ID)
}

// SignalAll signals every process of the group g.
func (c *Container) SignalAll(g *cgroup.Group, sig unix.Signal) error {
	pids, err := g.Procs()
	if err != nil {
		return err
	}
	if len(pids) == 0 && c.Status() == Stopped {
		return c.notRunning()
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("container %q: sending %v to process %d: %w", c.ID, sig, pid, err)
		}
	}
	return nil
}

// KillWait kills the process and waits until it has ended. It need not be a
// child of this one.
func (c *Container) KillWait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(c.Pid, 0)
	if err != nil {
		return nil // it has ended
	}
	defer unix.Close(fd)
	if err := c.Signal(unix.SIGKILL); err != nil {
		if errors.Is(err, errdefs.ErrConflict) {
			return nil
		}
		return err
	}
	if g, err := c.Group(); err == nil {
		_ = g.Thaw(ctx) // a frozen process does not take SIGKILL
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		left := time.Until(deadline)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err == nil && n > 0 {
			return nil
		}
		if left <= 0 || ctx.Err() != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "container %q: process %d does not end", c.ID, c.Pid)
		}
	}
}
