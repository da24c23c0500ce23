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
		if errors.Is(err, errdefs.ErrConflict) { // it has ended meanwhile: its files do not change any more
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
