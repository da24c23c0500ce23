package life

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/runner/record"
)

// Lock takes the container's control lock.
func (c *Container) Lock(ctx context.Context) (unlock func(), err error) {
	f, err := c.dir.Lock(ctx, record.ControlLock, startTimeout)
	if err != nil {
		return nil, err
	}
	return func() { record.Unlock(f) }, nil
}

// Hold calls do with the container's state while nobody else starts, pauses,
// renames or removes it.
func (c *Container) Hold(ctx context.Context, do func(record.State) error) error {
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := c.State(ctx)
	if err == nil && c.heldStill(st) { // by nobody any more, since the lock is ours
		st, err = c.letGo(ctx, st)
	}
	if err != nil {
		return err
	}
	return do(st)
}

// heldStill reports whether a container is frozen for somebody who reads its files.
func (c *Container) heldStill(st record.State) bool {
	return st.Status == record.Paused && c.dir.Marked(record.StillMark)
}

// letGo thaws a container that was held still; the control lock is held.
func (c *Container) letGo(ctx context.Context, st record.State) (record.State, error) {
	err := c.setFrozen(ctx, st, false)
	if errors.Is(err, errdefs.ErrConflict) {
		err = nil // it has ended
	}
	if err = errors.Join(err, c.dir.SetMark(record.StillMark, false)); err != nil {
		return st, err
	}
	st, _, err = c.look(ctx)
	return st, err
}

// abandoned lets a container go whose holder was killed while it held it still.
func (c *Container) abandoned(ctx context.Context, st record.State) (record.State, error) {
	lock, ok := c.dir.TryLock(record.ControlLock)
	if !ok {
		return st, nil // the holder is at work
	}
	defer record.Unlock(lock)
	st, lost, err := c.look(ctx)
	if err != nil || lost || !c.heldStill(st) {
		return st, err
	}
	return c.letGo(ctx, st)
}

// HoldStill is Hold with the processes of a running container frozen meanwhile, where
// that can be done.
func (c *Container) HoldStill(ctx context.Context, do func(record.State) error) error {
	return c.Hold(ctx, func(st record.State) error {
		if st.Status != record.Running {
			return do(st)
		}
		err := c.dir.SetMark(record.StillMark, true)
		if err == nil {
			err = c.setFrozen(ctx, st, true)
		}
		if errors.Is(err, errdefs.ErrConflict) { // it has ended meanwhile: its files do not change any more
			if st, err = c.State(ctx); err == nil {
				err = do(st)
			}
			return err
		}
		if errors.Is(err, errdefs.ErrUnsupported) { // it has no control group: it is read as it runs
			if err = c.dir.SetMark(record.StillMark, false); err == nil {
				err = do(st)
			}
			return err
		}
		if err != nil {
			return errors.Join(err, c.dir.SetMark(record.StillMark, false))
		}
		err = do(st)
		_, lerr := c.letGo(context.WithoutCancel(ctx), st)
		if errors.Is(lerr, errdefs.ErrNotFound) {
			lerr = nil // somebody killed and removed it meanwhile
		}
		return errors.Join(err, lerr)
	})
}
