package life

import (
	"context"

	"cove/network/publish"
	"cove/runner/attach"
	"cove/runner/record"
)

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
