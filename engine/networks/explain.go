package networks

import (
	"context"

	"cove/engine/listing"
	"cove/errdefs"
	"cove/network"
)

// Explained is the way of a published port into its container.
type Explained = network.Explained

// ExplainPorts follows the published ports of a running container into it: all, or
// those at one end, as 80/tcp.
func (ns *Networks) ExplainPorts(ctx context.Context, ref, end string) (all []Explained, err error) {
	c, err := ns.parts.Container(ctx, ref)
	if err != nil {
		return nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	if !state.Alive() {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "container %s is not running, so that no port leads to it", ref)
	}
	nets, err := ns.networks()
	if err != nil {
		return nil, err
	}
	shown := listing.Published(state)
	for i, p := range state.Network.Ports {
		if end != "" && len(listing.At(shown[i:i+1], end)) == 0 {
			continue
		}
		found, err := nets.Explain(c.ID(), state.Pid, p)
		if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	if len(all) == 0 && end != "" {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "container %s: port %s is not published", ref, end)
	}
	return all, nil
}
