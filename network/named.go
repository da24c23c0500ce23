package network

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/bridge"
	"cove/network/definition"
	"cove/network/ipam"
)

// Predefined are the networks that every root has; nobody makes or removes them.
func Predefined() []string { return []string{string(Bridge), string(Host), string(None), "default"} }

// Define makes a network: its definition is durable when it returns, its bridge
// comes and goes with the containers on it. Without a subnet one is chosen that is
// free on this host. A name in use is errdefs.ErrExists, a subnet that overlaps
// another network's or a route of the host errdefs.ErrConflict.
func (n *Network) Define(ctx context.Context, def definition.Network) (definition.Network, error) {
	if slices.Contains(Predefined(), def.Name) || strings.HasPrefix(def.Name, string(ContainerPrefix)) {
		return def, errdefs.Errorf(errdefs.ErrExists, "operation is not permitted on predefined %s network", def.Name)
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return def, fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	return n.defs.Add(ctx, def, func(def *definition.Network, all []definition.Network) error {
		if err := n.place(host, def, all); err != nil {
			return err
		}
		return def.Complete()
	})
}

// place gives the network a subnet that no other has, or checks its own.
func (n *Network) place(host *netlink.Handle, def *definition.Network, all []definition.Network) error {
	var used []netip.Prefix
	for _, other := range all {
		if def.Subnet.IsValid() && def.Subnet.Overlaps(other.Subnet) {
			return errdefs.Errorf(errdefs.ErrConflict,
				"network %s: Pool overlaps with other one on this address space: subnet %s is that of network %s",
				def.Name, other.Subnet, other.Name)
		}
		if other.Bridge() == def.Bridge() {
			return errdefs.Errorf(errdefs.ErrConflict, "network %s: bridge %s is that of network %s", def.Name,
				def.Bridge(), other.Name)
		}
		used = append(used, other.Subnet)
	}
	if pool, err := ipam.Read(n.dir); err == nil && pool.Subnet.IsValid() {
		used = append(used, pool.Subnet) // the default bridge's, while it is down
	}
	if def.Subnet.IsValid() {
		return bridge.CheckFree(host, def.Subnet)
	}
	for _, addr := range nameservers() {
		used = append(used, netip.PrefixFrom(addr, addr.BitLen()))
	}
	var err error
	def.Subnet, err = bridge.Choose(host, used)
	return err
}

// Defined are the networks that people made, by name.
func (n *Network) Defined() ([]definition.Network, error) { return n.defs.All() }

// Find is a network by name, ID or prefix of one; errdefs.ErrNotFound if nobody
// made it.
func (n *Network) Find(ref string) (definition.Network, error) { return n.defs.Find(ref) }

// Undefine removes a network that no running container is on; else it is
// errdefs.ErrConflict.
func (n *Network) Undefine(ctx context.Context, id string) error {
	return n.defs.Remove(ctx, id, func(def definition.Network, forget func() error) error {
		seg, err := n.segmentFor(def)
		if err != nil {
			return err
		}
		return ipam.Update(seg.dir, func(pool *ipam.Pool) error {
			pool.DropDead(func(ipam.Lease) bool { return true })
			if len(pool.Leases) > 0 {
				return errdefs.Errorf(errdefs.ErrConflict, "error while removing network: network %s has active endpoints (%s)",
					def.Name, strings.Join(holders(pool), ", "))
			}
			if err := seg.drop(def.Subnet); err != nil {
				return err
			}
			return forget()
		})
	})
}

// holders name the containers of a pool.
func holders(pool *ipam.Pool) []string {
	var names []string
	for id, l := range pool.Leases {
		name := l.Name
		if name == "" {
			name = ids.Short(id)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Members are the running containers of a network, by ID; those of the default
// bridge for an ID of "".
func (n *Network) Members(id string) (map[string]ipam.Lease, netip.Prefix, error) {
	seg, err := n.segmentOf(id)
	if err != nil {
		return nil, netip.Prefix{}, err
	}
	pool, err := ipam.Read(seg.dir)
	if err != nil {
		return nil, netip.Prefix{}, err
	}
	for id, l := range pool.Leases {
		if !l.Alive() {
			delete(pool.Leases, id)
		}
	}
	return pool.Leases, pool.Subnet, nil
}

// DefaultBridge is the name of the default bridge's link.
func (n *Network) DefaultBridge() string { return n.bridge }

// DefaultTable is the name of its table of rules.
func (n *Network) DefaultTable() string { return n.table }

// Renamed has the container found by another name, at once.
func (n *Network) Renamed(id, name string) error {
	all, err := n.segments()
	if err != nil {
		return err
	}
	for _, seg := range all {
		if _, err := os.Stat(ipam.Path(seg.dir)); err != nil || !seg.named() {
			continue
		}
		err := ipam.Update(seg.dir, func(pool *ipam.Pool) error {
			if l, ok := pool.Leases[id]; ok {
				l.Name = name
				pool.Leases[id] = l
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
