package network

import (
	"os"

	"cove/errdefs"
	"cove/network/explained"
	"cove/network/ipam"
	"cove/network/publish"
)

// Explained is the way of a published port into its container.
type Explained = explained.Way

// Explain follows a published port of a running container, whose first process is
// given; errdefs.ErrNotFound when no network of the container has it.
func (n *Network) Explain(id string, pid int, port publish.Port) (Explained, error) {
	all, err := n.segments()
	if err != nil {
		return Explained{}, err
	}
	for _, seg := range all {
		if _, err := os.Stat(ipam.Path(seg.Dir)); err != nil {
			continue
		}
		pool, err := ipam.Read(seg.Dir)
		if err != nil {
			return Explained{}, err
		}
		lease, ok := pool.Leases[id]
		if !ok {
			continue
		}
		for _, p := range lease.Ports {
			if p == port {
				return explained.Follow(seg, pool, lease, p, pid)
			}
		}
	}
	return Explained{}, errdefs.Errorf(errdefs.ErrNotFound, "network: no address has port %s", port)
}
