package containers

import (
	"context"

	"cove/engine/machine"
	"cove/engine/runspec"
	"cove/runner"
	"cove/runner/record"
	"cove/runner/restart"
)

// UpdateOptions is what Update changes; what is zero stays.
type UpdateOptions struct {
	// Resources are limits: of memory, processors, processes and block I/O.
	Resources runspec.Resources
	// Restart is no, on-failure[:N], always or unless-stopped.
	Restart string
}

// Update changes a container's limits and restart policy: at once when it runs, and
// for its next lives. Limits that it cannot have are errdefs.ErrInvalid, and those
// below what it uses errdefs.ErrConflict.
func (cs *Containers) Update(ctx context.Context, ref string, o UpdateOptions) error {
	if err := machine.NeedRoot("updating a container"); err != nil {
		return err
	}
	policy, err := restart.Parse(o.Restart)
	if err != nil {
		return err
	}
	c, err := cs.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Update(ctx, func(cfg record.Config) (runner.Change, error) {
		to := runner.Change{Updated: record.Updated{Restart: cfg.Restart}}
		if o.Restart != "" {
			to.Restart = policy
		}
		var had record.Resources
		if cfg.Asked != nil {
			had = cfg.Asked.Resources
		}
		var changed record.Resources
		if to.Resources, changed, err = runspec.Updated(had, o.Resources); err != nil {
			return to, err
		}
		if err := runspec.CheckLimits(to.Resources, machine.Limits()); err != nil {
			return to, err
		}
		to.Now, to.Limits = runspec.Limits(changed), runspec.Relimited(cfg.Spec.Linux.Resources, to.Resources)
		return to, nil
	})
}
