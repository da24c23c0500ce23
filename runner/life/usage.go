package life

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/network/publish"
	"cove/runner/attach"
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

// Publish has the container, which runs, publish these ports alone. The caller holds the
// control lock.
func (c *Container) Publish(ctx context.Context, st record.State, ports []publish.Port) error {
	conn, err := c.call(ctx, st.Monitor, attach.Hello{Kind: attach.Publish, Ports: ports})
	if err != nil {
		return err
	}
	defer conn.Close()
	p, err := c.await(ctx, conn, st.Monitor, startTimeout)
	if err == nil && p.Type == attach.TypeFailed {
		err = record.Failure(p.Data)
	}
	return err
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
