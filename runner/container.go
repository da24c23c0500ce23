package runner

import (
	"context"
	"errors"
	"time"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// Container is a recorded container. Its methods read the disk afresh.
type Container struct {
	r    *Runner
	dir  record.Dir
	cfg  Config
	name string
}

// Config is what the container was asked to be.
func (c *Container) Config() Config { return c.cfg }

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
// container that was removed is errdefs.ErrNotFound.
func (c *Container) State(ctx context.Context) (State, error) {
	st, err := c.dir.State()
	if err != nil || !alive(st) {
		return st, err
	}
	lock, err := c.dir.Lock("monitor", false)
	if errors.Is(err, errdefs.ErrConflict) {
		return st, nil // held: the monitor lives
	}
	if err != nil {
		return st, err
	}
	defer lock.Close()
	// It may have ended properly since the state was read.
	if st, err = c.dir.State(); err != nil || !alive(st) {
		return st, err
	}
	return c.bury(ctx, st)
}

func alive(st State) bool { return st.Status == Running || st.Status == Paused }

// bury does what a monitor that was killed could not. Its lock is held.
func (c *Container) bury(ctx context.Context, st State) (State, error) {
	lost := st.Lost(time.Now().UTC())
	var errs []error
	if st.BootID == ids.Boot() {
		errs = append(errs, c.sweep(ctx))
	}
	if c.cfg.AutoRemove {
		errs = append(errs, c.dir.Remove(), c.r.removeSnapshot(ctx, c.cfg))
	} else {
		errs = append(errs, c.dir.SetState(lost, true))
	}
	return lost, errors.Join(errs...)
}

// sweep frees what a container without monitor may still hold.
func (c *Container) sweep(ctx context.Context) error {
	features, err := host.Detect()
	if err != nil {
		return err
	}
	g := cgroup.Load(features.Cgroup, task.CgroupPath(c.ID(), c.cfg.Spec))
	return errors.Join(g.Kill(ctx), task.DeleteGroup(ctx, g), c.r.net.Release(c.ID()))
}

// group is the control group that a state names.
func (c *Container) group(st State) (*cgroup.Group, error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	return cgroup.Load(features.Cgroup, st.Cgroup), nil
}

// running is State, and errdefs.ErrConflict unless the container runs.
func (c *Container) running(ctx context.Context) (State, error) {
	st, err := c.State(ctx)
	if err != nil {
		return st, err
	}
	if !alive(st) {
		return st, c.notRunning()
	}
	return st, nil
}

func (c *Container) notRunning() error {
	return errdefs.Errorf(errdefs.ErrConflict, "container %s is not running", c)
}

// Hold calls do with the container's state while nobody else starts, pauses,
// renames or removes it.
func (c *Container) Hold(ctx context.Context, do func(State) error) error {
	control, err := c.dir.Lock("control", true)
	if err != nil {
		return err
	}
	defer control.Close()
	st, err := c.State(ctx)
	if err != nil {
		return err
	}
	return do(st)
}

// Remove deletes the container, its log and its snapshot. A running one is
// errdefs.ErrConflict unless force, which kills it.
func (c *Container) Remove(ctx context.Context, force bool) error {
	control, err := c.dir.Lock("control", true)
	if err != nil {
		return err
	}
	defer control.Close()
	st, err := c.State(ctx)
	if err != nil && (!force || !errors.Is(err, errdefs.ErrCorrupt)) {
		return err
	}
	if alive(st) {
		if !force {
			return errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict, "container %s is running", c), errdefs.Force, c.String())
		}
		if err := c.kill(ctx); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
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

func (r *Runner) removeSnapshot(ctx context.Context, cfg Config) error {
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
	control, err := c.dir.Lock("control", true)
	if err != nil {
		return err
	}
	defer control.Close()
	old, err := c.dir.Name()
	if err != nil {
		return err
	}
	if err := record.Claim(c.r.opts.Root, name, c.ID()); err != nil {
		return err
	}
	if err := c.dir.Write("name", []byte(name), true); err != nil {
		return errors.Join(err, record.Unclaim(c.r.opts.Root, name, c.ID()))
	}
	c.name = name
	return record.Unclaim(c.r.opts.Root, old, c.ID())
}
