package runner

import (
	"context"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/events"
	"cove/runner/record"
)

// Change is what an update makes of a container.
type Change struct {
	record.Updated
	// Now are the limits that the groups of a running container are told; nil is none.
	Now *specs.LinuxResources
}

// Update changes limits and restart policy of the container, now and for its next
// lives. change says to what, from the config as it is; nobody else changes it
// meanwhile.
func (c *Container) Update(ctx context.Context, change func(record.Config) (Change, error)) error {
	err := c.Hold(ctx, func(st record.State) error {
		cfg, err := c.record().Config()
		if err != nil {
			return err
		}
		to, err := change(cfg)
		if err != nil {
			return err
		}
		if cfg.AutoRemove && to.Restart.Name != "" {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"container %s: restart policy cannot be updated because it is removed when it ends", c)
		}
		if st.Alive() && to.Now != nil {
			if err := c.Limit(st, to.Now); err != nil {
				return err
			}
		}
		if err := c.record().SetUpdated(to.Updated); err != nil {
			return err
		}
		if st.Status == record.Restarting && to.Restart.Name == "" {
			return c.EndRestart(ctx)
		}
		return nil
	})
	if err == nil {
		c.Tell(events.Update)
	}
	return err
}
