package life

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"cove/errdefs"
	"cove/events"
	"cove/internal/process"
	"cove/runner/record"
	"cove/sandbox/cgroup"
)

// Pause freezes all processes of the container.
func (c *Container) Pause(ctx context.Context) error {
	return c.Hold(ctx, func(st record.State) error {
		if st.Status == record.Paused {
			return errdefs.Errorf(errdefs.ErrConflict, "container %s is already paused", c)
		}
		// A kill may have left it: what a person pauses stays paused.
		err := c.dir.SetMark(record.StillMark, false)
		if err == nil {
			err = c.setFrozen(ctx, st, true)
		}
		if err == nil {
			c.Tell(events.Pause)
		}
		return err
	})
}

// Unpause lets them go on.
func (c *Container) Unpause(ctx context.Context) error {
	return c.Hold(ctx, func(st record.State) error {
		if st.Status != record.Paused {
			return errdefs.Errorf(errdefs.ErrConflict, "container %s is not paused", c)
		}
		err := c.setFrozen(ctx, st, false)
		if err == nil {
			c.Tell(events.Unpause)
		}
		return err
	})
}

// setFrozen freezes or thaws a container; the control lock is held. That it is
// paused is recorded before it is, and until it is not: a kill in between leaves
// one that can be unpaused.
func (c *Container) setFrozen(ctx context.Context, st record.State, on bool) error {
	if !st.Alive() {
		return c.notAlive(st)
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
		if _, err := c.ended(ctx); err != nil { // waits until its end is recorded
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
	pids, _ := g.Procs() // without them the error names no process
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
	if err := g.Thaw(ctx); !errors.Is(err, fs.ErrNotExist) { // the group was removed after its processes ended
		return err
	}
	return nil
}

// keepThawed thaws the container as long as ctx lasts: the frozen take no
// signal, and somebody may pause it after it was sent.
func (c *Container) keepThawed(ctx context.Context, st record.State) {
	g, err := c.group(st)
	if err != nil {
		return // without control groups nothing is frozen
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
