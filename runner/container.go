package runner

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/events"
	"cove/runner/life"
	"cove/runner/record"
	"cove/runner/task"
)

// Container is one of a Runner's containers: a name and a place in the set, and its
// life.
type Container struct {
	*life.Container
	r      *Runner
	broken error
}

func (r *Runner) container(dir record.Dir, cfg record.Config, name string) *Container {
	return &Container{Container: life.Of(r.life, dir, cfg, name), r: r}
}

// record is the container's directory.
func (c *Container) record() record.Dir { return record.Dir(c.Dir()) }

// Broken is why not all of the container's config could be read, nil if it could.
func (c *Container) Broken() error { return c.broken }

// Remove deletes the container, its log and its snapshot. A running one is
// errdefs.ErrConflict unless force, which kills it.
func (c *Container) Remove(ctx context.Context, force bool) error {
	err := c.remove(ctx, force)
	if force && errors.Is(err, errdefs.ErrNotFound) && c.record().Gone() {
		return nil // its own end, or somebody else who asked at the same time, was faster
	}
	return err
}

func (c *Container) remove(ctx context.Context, force bool) error {
	if c.broken != nil && !force {
		return c.broken
	}
	if force {
		// First, so that a restart or a commit that waits for it goes on.
		if err := c.End(ctx); err != nil && !unknowable(err) {
			return err
		}
	}
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := c.State(ctx)
	switch {
	case err == nil:
	case errors.Is(err, errdefs.ErrCorrupt):
		if !force {
			return err
		}
		err = c.EndMonitor(ctx) // its processes die with it, whoever they are
		if err = errors.Join(err, c.record().RemoveSocket(c.r.opts.Run)); err != nil {
			return err
		}
		st = record.State{}
	case st.Alive() || !unknowable(err):
		return err
	}
	if st.Alive() {
		if !force {
			return errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict, "container %s is running", c), errdefs.Force,
				c.String())
		}
		if err := c.End(ctx); err != nil { // somebody started it again
			return err
		}
	}
	if st.Status == record.Restarting && !force {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict, "container %s is restarting", c), errdefs.Force,
			c.String())
	}
	if err := c.EndRestart(ctx); err != nil {
		return err
	}
	if err := c.Sweep(ctx); err != nil { // what a start that was killed has left
		return err
	}
	// The record goes first: a snapshot without one is found by a prune, a
	// record without its snapshot is a container that cannot start.
	if err := c.record().Remove(); err != nil {
		return err
	}
	c.Tell(events.Destroy)
	return c.r.removeSnapshot(ctx, c.Config())
}

// unknowable says that what a container is cannot be read, or that there is no room to record
// how it ended: both are no reason to keep it.
func unknowable(err error) bool {
	return errors.Is(err, errdefs.ErrCorrupt) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
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
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.State(ctx); err != nil {
		return err
	}
	old, err := c.record().Name()
	if err != nil {
		return err
	}
	if name == old {
		return errdefs.Errorf(errdefs.ErrInvalid, "Renaming a container with the same name as its current name: %s", name)
	}
	if err := c.r.claim(ctx, name, c.ID()); err != nil {
		return err
	}
	if err := c.record().Write("name", []byte(name), true); err != nil {
		return errors.Join(err, record.Unclaim(c.r.opts.Root, name, c.ID()))
	}
	c.Renamed(name)
	c.Tell(events.Rename, "oldName", "/"+old)
	return errors.Join(c.r.net.Renamed(c.ID(), name), record.Unclaim(c.r.opts.Root, old, c.ID()))
}
