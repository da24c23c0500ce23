package life

import (
	"context"
	"errors"
	"time"

	"cove/errdefs"
	"cove/events"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/restart"
	"cove/runner/sources"
	"cove/runner/task"
	"cove/runner/told"
)

// State reads the container's state, reconciled: if its monitor is gone or the
// machine was rebooted, it is recorded as exited and cleaned up first. A
// container that was removed, which reconciling does to one that is AutoRemove,
// is errdefs.ErrNotFound.
func (c *Container) State(ctx context.Context) (record.State, error) {
	st, lost, err := c.look(ctx)
	if err == nil && !lost && c.heldStill(st) {
		return c.abandoned(ctx, st)
	}
	if err != nil || !lost {
		return st, err
	}
	lock, err := c.dir.Lock(ctx, record.ReconcileLock, answerTimeout)
	if err != nil {
		return st, err
	}
	defer record.Unlock(lock)
	// Another may have reconciled it, and a third started it again.
	if st, lost, err = c.look(ctx); err != nil || !lost {
		return st, err
	}
	if st.Status == record.Restarting { // whoever was to start it was killed
		err := c.Sweep(ctx)
		st, aerr := c.ask(ctx, st)
		return st, errors.Join(err, aerr)
	}
	return c.reconcile(ctx, st)
}

// Peek is State that changes nothing: settled says that State would return the same.
func (c *Container) Peek(ctx context.Context) (st record.State, settled bool, err error) {
	st, lost, err := c.look(ctx)
	return st, err == nil && !lost && !c.heldStill(st), err
}

// look reads the state; lost says that the process is gone that made it true. A state
// that changed while its process was looked for says nothing, and is read again: a
// short life ends, and the next begins, in between.
func (c *Container) look(ctx context.Context) (st record.State, lost bool, err error) {
	for {
		if st, err = c.dir.State(); err != nil || c.believed(ctx, st) {
			return st, false, err
		}
		now, err := c.dir.State()
		if err != nil || now.SameMoment(st) {
			return now, err == nil, err
		}
	}
}

// believed reports whether the process is there that makes a state true.
func (c *Container) believed(ctx context.Context, st record.State) bool {
	switch {
	case st.Status == record.Restarting:
		return c.dir.Held(record.RestartLock)
	case st.Alive():
		return c.monitored(ctx)
	}
	return true
}

// monitored reports whether the container has a monitor. One that was killed a
// moment ago is waited for: its last threads hold the lock until they are gone.
func (c *Container) monitored(ctx context.Context) bool {
	if !c.dir.Held(record.MonitorLock) {
		return false
	}
	if _, ok := process.Find(c.dir.Holder(record.MonitorLock)); ok {
		return true
	}
	lock, err := c.dir.Lock(ctx, record.MonitorLock, pollInterval)
	if err != nil {
		return true
	}
	record.Unlock(lock)
	return false
}

// reconcile does what a monitor that was killed could not. The caller holds the
// reconcile lock.
func (c *Container) reconcile(ctx context.Context, st record.State) (record.State, error) {
	lost := st.Lost(time.Now().UTC())
	err := errors.Join(c.Sweep(ctx), c.dir.RemoveSocket(c.o.Program.Run))
	told.Named(c.dir, c.cfg, c.name).Ended(st, lost.Exit(), lost.FinishedAt)
	if !c.cfg.AutoRemove {
		lost, aerr := c.ask(ctx, lost)
		return lost, errors.Join(err, aerr)
	}
	if err := errors.Join(err, task.Discard(ctx, c.dir, c.cfg)); err != nil {
		return lost, err
	}
	c.Tell(events.Destroy)
	return lost, errdefs.Errorf(errdefs.ErrNotFound, "No such container: %s", c)
}

// Sweep frees what a container without monitor may still hold: processes, its
// control group, its address and its published ports.
func (c *Container) Sweep(ctx context.Context) error {
	if err := task.Sweep(ctx, "container "+c.String(), task.CgroupPath(c.ID(), c.cfg.Spec)); err != nil {
		return err
	}
	return errors.Join(sources.Release(ctx, c.dir.Root(), c.cfg), c.o.Network.Release(c.ID()))
}

// ask records how the container ended, and has it started again if its policy says
// so, as its monitor would have. After a boot it is not for whoever looks first to
// start it.
func (c *Container) ask(ctx context.Context, st record.State) (record.State, error) {
	wait, again := restart.After(c.cfg.Restart, st, c.dir.Marked(record.StopMark))
	if st.Status = record.Exited; !again || st.BootID != ids.Boot() {
		return st, c.dir.SetState(st, true)
	}
	waiting := st
	waiting.Status, waiting.Backoff = record.Restarting, wait
	waiting.Restarts++
	if err := c.startLater(ctx, waiting); err != nil {
		return st, errors.Join(err, c.dir.SetState(st, true))
	}
	return waiting, nil
}

// startLater starts a process that will start the container. The lock is signed in
// its name before anybody could end its holder.
func (c *Container) startLater(ctx context.Context, st record.State) error {
	lock, err := c.dir.Lock(ctx, record.RestartLock, answerTimeout)
	if err != nil {
		return err
	}
	defer lock.Close() // the process has it, too
	if err := record.Sign(lock, ""); err != nil {
		return err
	}
	if err := c.dir.SetState(st, true); err != nil {
		return err
	}
	return c.o.Program.Waiting(c.dir, lock)
}
