package life

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/runner/record"
	"cove/sandbox/cgroup"
)

// Procs returns the host pids of the container's processes, ascending.
func (c *Container) Procs(ctx context.Context) ([]int, error) {
	st, err := c.running(ctx)
	if err != nil {
		return nil, err
	}
	g, err := c.group(st)
	if err != nil {
		return nil, err
	}
	pids, err := g.Procs()
	slices.Sort(pids)
	return slices.Compact(pids), err
}

// Limit changes limits of a container that runs, in that state; what r leaves nil
// stays.
func (c *Container) Limit(st record.State, r *specs.LinuxResources) error {
	g, err := c.group(st)
	if err != nil {
		return err
	}
	if err := g.Update(r); err != nil {
		return fmt.Errorf("container %s: %w", c, err)
	}
	return nil
}

// Stats reads what the container uses.
func (c *Container) Stats(ctx context.Context) (cgroup.Stats, error) {
	st, err := c.running(ctx)
	if err != nil {
		return cgroup.Stats{}, err
	}
	g, err := c.group(st)
	if err != nil {
		return cgroup.Stats{}, err
	}
	return g.Stats()
}
