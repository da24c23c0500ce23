package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/definition"
	"cove/network/ipam"
	"cove/network/place"
	"cove/network/segment"
)

// Predefined are the networks that every root has; nobody makes or removes them.
func Predefined() []string { return []string{string(Bridge), string(Host), string(None), "default"} }

// maxDraws is how often a subnet is drawn that another root may have drawn, too.
const maxDraws = 32

// Define makes a network: its definition is durable, and its bridge raised, when it
// returns. Without a subnet one is chosen that is free on this host, and one of IPv6 too
// for a network that asks for it. A name in use is errdefs.ErrExists, a predefined one
// errdefs.ErrDenied, a subnet that overlaps another network's or a route of the host
// errdefs.ErrConflict.
func (n *Network) Define(ctx context.Context, def definition.Network) (definition.Network, error) {
	if slices.Contains(Predefined(), def.Name) || strings.HasPrefix(def.Name, string(ContainerPrefix)) {
		return def, errdefs.Errorf(errdefs.ErrDenied, "operation is not permitted on predefined %s network", def.Name)
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return def, fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	for tries := 0; ; tries++ {
		made, err := n.defs.Add(ctx, def, func(def *definition.Network, all []definition.Network) error {
			taken := netip.Prefix{}
			if pool, err := ipam.Read(n.first.Dir); err == nil {
				taken = pool.Subnet // the default bridge's, while it is down
			}
			if err := place.Network(host, def, all, taken); err != nil {
				return err
			}
			return def.Complete()
		}, n.raise)
		chosen := !def.Subnet.IsValid() && made.Subnet.IsValid()
		if chosen && errors.Is(err, errdefs.ErrConflict) && tries < maxDraws {
			continue // another root chose the same subnet meanwhile
		}
		return made, err
	}
}

func (n *Network) raise(def definition.Network) error {
	seg, err := segment.Of(n.defs, def)
	if err != nil {
		return err
	}
	return seg.Raise()
}

// Mend makes again what networks should have and others took away, or a boot: bridges
// of networks that somebody made, and rules of those with containers. It tells what.
func (n *Network) Mend() (made []string, err error) {
	all, err := n.segments()
	if err != nil {
		return nil, err
	}
	for _, seg := range all {
		if link := seg.Missing(); link != "" {
			if err := seg.Raise(); err != nil {
				return made, fmt.Errorf("network %s: %w", seg.Def.Name, err)
			}
			made = append(made, seg.Def.Kind()+" "+link+" of network "+seg.Def.Name)
		}
		mended, err := seg.Mend()
		if err != nil {
			return made, err
		}
		if mended {
			made = append(made, "rules of bridge "+seg.Bridge)
		}
	}
	return made, nil
}

// Defined are the networks that people made, by name.
func (n *Network) Defined() ([]definition.Network, error) { return n.defs.All() }

// Every is Defined with those that are Broken.
func (n *Network) Every() ([]definition.Network, error) { return n.defs.Every() }

// Find is a network by name, ID or prefix of one; errdefs.ErrNotFound if nobody
// made it.
func (n *Network) Find(ref string) (definition.Network, error) { return n.defs.Find(ref) }

// Undefine removes a network that no running container is on; else it is
// errdefs.ErrConflict.
func (n *Network) Undefine(ctx context.Context, id string) error {
	return n.defs.Remove(ctx, id, func(def definition.Network, forget func() error) error {
		seg, err := segment.Of(n.defs, def)
		if err != nil {
			return err
		}
		return ipam.Update(seg.Dir, func(pool *ipam.Pool) error {
			pool.DropDead(func(ipam.Lease) bool { return true })
			if len(pool.Leases) > 0 {
				return errdefs.Errorf(errdefs.ErrConflict, "error while removing network: network %s has active endpoints (%s)",
					def.Name, strings.Join(holders(pool), ", "))
			}
			others, err := n.defs.All()
			if err := errors.Join(err, seg.Drop(pool), seg.Lower(others...)); err != nil {
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

// Members is the pool of a network with the running containers alone; that of the
// default bridge for an ID of "".
func (n *Network) Members(id string) (*ipam.Pool, error) {
	seg, err := n.segmentOf(id)
	if err != nil {
		return nil, err
	}
	pool, err := ipam.Read(seg.Dir)
	if err != nil {
		return nil, err
	}
	for id, l := range pool.Leases {
		if !l.Alive() {
			delete(pool.Leases, id)
		}
	}
	return pool, nil
}

// DefaultBridge is the name of the default bridge's link.
func (n *Network) DefaultBridge() string { return n.first.Bridge }

// DefaultTable is the name of its table of rules.
func (n *Network) DefaultTable() string { return n.first.Table }

// Renamed has the container found by another name, at once.
func (n *Network) Renamed(id, name string) error {
	all, err := n.segments()
	if err != nil {
		return err
	}
	for _, seg := range all {
		if !seg.Named() {
			continue
		}
		err := ipam.Change(seg.Dir, func(pool *ipam.Pool) error {
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
