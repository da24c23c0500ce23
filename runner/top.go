package runner

import (
	"context"
	"fmt"

	"cove/runner/pstable"
)

// Top is the process table as ps on the host prints it with psArgs (default
// -ef), reduced to the container's processes; the first row is the header. The
// image needs no ps.
func (c *Container) Top(ctx context.Context, psArgs []string) ([][]string, error) {
	pids, err := c.Procs(ctx)
	if err != nil {
		return nil, err
	}
	heading, lines, err := pstable.Read(ctx, pids, psArgs)
	if err != nil {
		return nil, fmt.Errorf("top: %w", err)
	}
	return pstable.Rows(heading, lines), nil
}
