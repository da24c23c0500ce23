package runner

import (
	"context"
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/events"
	"cove/network"
	"cove/network/publish"
	"cove/runner/record"
)

// Change is what an update makes of a container.
type Change struct {
	record.Updated
	// Now are the limits that the groups of a running container are told; nil is none.
	Now *specs.LinuxResources
	// Publish says that the ports are others than before.
	Publish bool
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
			return errdefs.Errorf(errdefs.ErrConflict,
				"Restart policy cannot be updated because AutoRemove is enabled for the container %s", c)
		}
		if st.Alive() && to.Now != nil {
			if err := c.Limit(st, to.Now); err != nil {
				return err
			}
		}
		if to.Publish {
			if err := c.publish(ctx, st, to.Ports); err != nil {
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

// publish changes the ports of the container if it runs.
func (c *Container) publish(ctx context.Context, st record.State, ports []publish.Port) error {
	asked, err := c.Asked()
	if err != nil {
		return err
	}
	_, joins := asked.Mode.Peer()
	if len(ports) > 0 && (joins || asked.Mode == network.Host || asked.Mode == network.None) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"container %s: publishing ports means nothing with network %s: ports are those of a bridge", c, asked.Mode)
	}
	if !st.Alive() {
		return nil
	}
	err = c.Publish(ctx, st, ports)
	if failed, ok := errors.AsType[*record.StartError](err); ok {
		// Without the code of a start: nothing was to be started.
		err = errdefs.Errorf(errdefs.KindNamed(failed.Kind), "container %s: %s", c, failed.Msg)
	}
	return err
}
