package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cove/errdefs"
	"cove/internal/process"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// endTimeout is how long killed processes may take to end.
const endTimeout = 10 * time.Second

// Sweep frees what a container whose parent was killed may still hold: processes
// and its control group. An error begins with what, the name of the container.
func Sweep(ctx context.Context, what, group string) error {
	features, err := host.Detect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	g := cgroup.Load(features.Cgroup, group)
	if err := g.Kill(ctx); err != nil {
		return cannotEnd(what, g, err)
	}
	return g.Delete(ctx)
}

// cannotEnd is the error of a process that SIGKILL does not end, with its name.
func cannotEnd(what string, g *cgroup.Group, err error) error {
	pids, perr := g.Procs()
	if !errors.Is(err, context.DeadlineExceeded) || perr != nil || len(pids) == 0 {
		return fmt.Errorf("%s: %w", what, err)
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "%s: process %d (%s) does not end: it waits in the kernel (state %c)",
		what, pids[0], process.Name(pids[0]), process.State(pids[0]))
}
