package life

import (
	"context"
	"errors"
	"time"

	"cove/errdefs"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/task"
)

// State reads the container's state, reconciled: if its monitor is gone or the
// machine was rebooted, it is recorded as exited and cleaned up first. A
// container that was removed, which reconciling does to one that is AutoRemove,
// is errdefs.ErrNotFound.
func (c *Container) State(ctx context.Context) (record.State, error) {
	st, err := c.dir.State()
	if err != nil || !st.Alive() || c.monitored(ctx) {
		return st, err
	}
	lock, err := c.dir.Lock(ctx, record.ReconcileLock, answerTimeout)
	if err != nil {
		return st, err
	}
	defer record.Unlock(lock)
	// Another may have reconciled it, and a third started it again.
	if st, err = c.dir.State(); err != nil || !st.Alive() || c.monitored(ctx) {
		return st, err
	}
	return c.reconcile(ctx, st)
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
	err := c.Sweep(ctx)
	if !c.cfg.AutoRemove {
		return lost, errors.Join(err, c.dir.SetState(lost, true))
	}
	if err := errors.Join(err, task.Discard(ctx, c.dir, c.cfg)); err != nil {
		return lost, err
	}
	return lost, errdefs.Errorf(errdefs.ErrNotFound, "no such container: %s", c)
}

// Sweep frees what a container without monitor may still hold: processes, its
// control group, its address and its published ports.
func (c *Container) Sweep(ctx context.Context) error {
	if err := task.Sweep(ctx, "container "+c.String(), task.CgroupPath(c.ID(), c.cfg.Spec)); err != nil {
		return err
	}
	return c.o.Network.Release(c.ID())
}
