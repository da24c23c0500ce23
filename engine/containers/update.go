package containers

import (
	"context"
	"slices"

	"cove/engine/machine"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/network/publish"
	"cove/runner"
	"cove/runner/record"
	"cove/runner/restart"
)

// UpdateOptions is what Update changes; what is zero stays.
type UpdateOptions struct {
	// Resources are limits: of memory, processors, processes and block I/O.
	Resources runspec.Resources
	// Publish and Unpublish are ports, as run takes them. What is unpublished need not
	// say the host's side.
	Publish, Unpublish []publish.Port
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
		to := runner.Change{Updated: record.Updated{Restart: cfg.Restart, Published: true}}
		if to.Ports, err = republished(cfg, o); err != nil {
			return to, err
		}
		to.Publish = len(o.Publish)+len(o.Unpublish) > 0
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

// republished are the ports of a container without some, and with others.
func republished(cfg record.Config, o UpdateOptions) ([]publish.Port, error) {
	ports := slices.Clone(cfg.Network.Ports)
	for _, p := range o.Unpublish {
		rest := slices.DeleteFunc(slices.Clone(ports), func(have publish.Port) bool {
			return have.ContainerPort == p.ContainerPort && have.Protocol() == p.Protocol() &&
				(p.HostPort == 0 || have.HostPort == p.HostPort) && (!p.HostIP.IsValid() || have.HostIP == p.HostIP)
		})
		if len(rest) == len(ports) {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "container %s: port %d/%s is not published", cfg.Name,
				p.ContainerPort, p.Protocol())
		}
		ports = rest
	}
	for _, p := range o.Publish {
		same := func(have publish.Port) bool {
			return have.HostPort != 0 && have.HostPort == p.HostPort && have.HostIP == p.HostIP &&
				have.Protocol() == p.Protocol()
		}
		if slices.ContainsFunc(ports, same) {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "container %s: %s is published already", cfg.Name, p)
		}
		ports = append(ports, p)
	}
	return ports, nil
}
