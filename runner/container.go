package runner

import (
	"context"
	"errors"
	"time"

	"cove/errdefs"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// Container is a recorded container. Its methods read the disk afresh.
type Container struct {
	r    *Runner
	dir  record.Dir
	cfg  record.Config
	name string
	// standby is the monitor that the next start uses, under the control lock.
	standby *Monitor
}

// Config is what the container was asked to be.
func (c *Container) Config() record.Config { return c.cfg }

// ID is the container's full ID.
func (c *Container) ID() string { return c.cfg.ID }

// Name is the container's name when it was found.
func (c *Container) Name() string { return c.name }

// Dir is containers/<id>: config.json, state.json, hosts, hostname,
// resolv.conf are in it.
func (c *Container) Dir() string { return string(c.dir) }

// LogPath is the newest log file, in docker's json-file format.
func (c *Container) LogPath() string { return c.dir.Log() }

// String is what errors call the container.
func (c *Container) String() string { return c.name }

// State reads the container's state, reconciled: if its monitor is gone or the
// machine was rebooted, it is recorded as exited and cleaned up first. A
// container that was removed, which reconciling does to one that is AutoRemove,
// is errdefs.ErrNotFound.
func (c *Container) State(ctx context.Context) (record.State, error) {
	st, err := c.dir.State()
	if err != nil || !alive(st) || c.monitored(ctx) {
		return st, err
	}
	lock, err := c.dir.Lock(ctx, record.ReconcileLock, answerTimeout)
	if err != nil {
		return st, err
	}
	defer record.Unlock(lock)
	// Another may have reconciled it, and a third started it again.
	if st, err = c.dir.State(); err != nil || !alive(st) || c.monitored(ctx) {
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

func alive(st record.State) bool { return st.Status == record.Running || st.Status == record.Paused }

// reconcile does what a monitor that was killed could not. The caller holds the
// reconcile lock.
func (c *Container) reconcile(ctx context.Context, st record.State) (record.State, error) {
	lost := st.Lost(time.Now().UTC())
	err := c.sweep(ctx)
	if !c.cfg.AutoRemove {
		return lost, errors.Join(err, c.dir.SetState(lost, true))
	}
	if err := errors.Join(err, task.Discard(ctx, c.dir, c.cfg)); err != nil {
		return lost, err
	}
	return lost, errdefs.Errorf(errdefs.ErrNotFound, "no such container: %s", c)
}

// sweep frees what a container without monitor may still hold: processes, its
// control group, its address and its published ports.
func (c *Container) sweep(ctx context.Context) error {
	if err := c.r.sweep(ctx, "container "+c.String(), task.CgroupPath(c.ID(), c.cfg.Spec)); err != nil {
		return err
	}
	return c.r.net.Release(c.ID())
}

// group is the control group that a state names.
func (c *Container) group(st record.State) (*cgroup.Group, error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	return cgroup.Load(features.Cgroup, st.Cgroup), nil
}

// running is State, and errdefs.ErrConflict unless the container runs.
func (c *Container) running(ctx context.Context) (record.State, error) {
	st, err := c.State(ctx)
	if err != nil {
		return st, err
	}
	if !alive(st) {
		return st, c.notRunning()
	}
	return st, nil
}

// thawedState is State, once nothing freezes the processes for a moment any more, as
// a commit does.
func (c *Container) thawedState(ctx context.Context) (st record.State, err error) {
	if st, err = c.State(ctx); err != nil || st.Status != record.Paused {
		return st, err
	}
	err = c.Hold(ctx, func(now record.State) error { st = now; return nil })
	return st, err
}

func (c *Container) notRunning() error {
	return errdefs.Errorf(errdefs.ErrConflict, "container %s is not running", c)
}

// lock takes the container's control lock.
func (c *Container) lock(ctx context.Context) (unlock func(), err error) {
	f, err := c.dir.Lock(ctx, record.ControlLock, startTimeout)
	if err != nil {
		return nil, err
	}
	return func() { record.Unlock(f) }, nil
}

// Hold calls do with the container's state while nobody else starts, pauses,
// renames or removes it.
func (c *Container) Hold(ctx context.Context, do func(record.State) error) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := c.State(ctx)
	if err != nil {
		return err
	}
	return do(st)
}

// HoldStill is Hold with the processes of a running container frozen meanwhile.
func (c *Container) HoldStill(ctx context.Context, do func(record.State) error) error {
	return c.Hold(ctx, func(st record.State) error {
		if st.Status != record.Running {
			return do(st)
		}
		err := c.setFrozen(ctx, st, true)
		if errors.Is(err, errdefs.ErrConflict) { // it has just ended, and is still enough
			if st, err = c.State(ctx); err == nil {
				err = do(st)
			}
			return err
		}
		if err != nil {
			return err
		}
		err = do(st)
		terr := c.setFrozen(context.WithoutCancel(ctx), st, false)
		if errors.Is(terr, errdefs.ErrConflict) {
			terr = nil // somebody killed it meanwhile
		}
		return errors.Join(err, terr)
	})
}

// Remove deletes the container, its log and its snapshot. A running one is
// errdefs.ErrConflict unless force, which kills it.
func (c *Container) Remove(ctx context.Context, force bool) error {
	if force {
		// First, so that a restart or a commit that waits for it goes on.
		if err := c.kill(ctx); err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
			return err
		}
	}
	unlock, err := c.lock(ctx)
	if force && c.cfg.AutoRemove && errors.Is(err, errdefs.ErrNotFound) {
		return nil // its end removed it
	}
	if err != nil {
		return err
	}
	defer unlock()
	st, err := c.State(ctx)
	if err != nil && (!force || !errors.Is(err, errdefs.ErrCorrupt)) {
		return err
	}
	if alive(st) {
		if !force {
			return errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict, "container %s is running", c), errdefs.Force,
				c.String())
		}
		if err := c.kill(ctx); err != nil { // somebody started it again
			return err
		}
	}
	if err := c.sweep(ctx); err != nil { // of a start that was killed
		return err
	}
	// The record goes first: a snapshot without one is found by a prune, a
	// record without its snapshot is a container that cannot start.
	if err := c.dir.Remove(); err != nil {
		return err
	}
	return c.r.removeSnapshot(ctx, c.cfg)
}

func (r *Runner) removeSnapshot(ctx context.Context, cfg record.Config) error {
	if r.opts.RemoveSnapshot != nil && cfg.SnapshotKey != "" {
		if err := r.opts.RemoveSnapshot(ctx, cfg.SnapshotKey); !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
		return nil
	}
	return task.RemoveSnapshot(ctx, r.opts.Root, cfg)
}

// Rename gives the container another name; one in use is errdefs.ErrExists.
func (c *Container) Rename(ctx context.Context, name string) error {
	if err := validName(name); err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.State(ctx); err != nil {
		return err
	}
	old, err := c.dir.Name()
	if err != nil {
		return err
	}
	if name == old {
		return errdefs.Errorf(errdefs.ErrInvalid, "container %s has that name already", c)
	}
	if err := c.r.claim(ctx, name, c.ID()); err != nil {
		return err
	}
	if err := c.dir.Write("name", []byte(name), true); err != nil {
		return errors.Join(err, record.Unclaim(c.r.opts.Root, name, c.ID()))
	}
	c.name = name
	return record.Unclaim(c.r.opts.Root, old, c.ID())
}
