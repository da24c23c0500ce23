package runner

import (
	"context"
	"errors"
	"syscall"
	"time"

	"cove/errdefs"
	"cove/events"
	"cove/runner/record"
	"cove/runner/task"
)

// Restart stops the container, as Stop does, and starts it. Several at once come
// one after the other.
func (c *Container) Restart(ctx context.Context, timeout time.Duration) error {
	return c.RestartBy(ctx, 0, timeout)
}

// RestartBy is Restart with a signal that is not the container's own, unless it is 0.
func (c *Container) RestartBy(ctx context.Context, sig syscall.Signal, timeout time.Duration) error {
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if c.Config().AutoRemove {
		if err := c.record().SetMark(record.KeepMark, true); err != nil {
			return err
		}
	}
	if err := c.StopLocked(ctx, sig, timeout); err != nil {
		return errors.Join(err, c.record().SetMark(record.KeepMark, false))
	}
	if err = c.StartLocked(ctx); err == nil {
		c.Tell(events.Restart)
	}
	if err != nil && c.Config().AutoRemove && !errors.Is(err, errdefs.ErrNotFound) {
		err = errors.Join(err, task.Discard(context.WithoutCancel(ctx), c.record(), c.Config()))
	}
	return err
}
