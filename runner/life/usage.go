package life

import (
	"context"
	"slices"

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
