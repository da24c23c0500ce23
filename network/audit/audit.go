// Package audit compares what the kernel has of a root's networks with what is
// recorded of them: interfaces, bridges, rules and addresses that nobody answers for.
// It changes nothing.
package audit

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/internal/ids"
	"cove/network"
	"cove/network/definition"
	"cove/network/dump"
	"cove/network/firewall"
	"cove/network/ipam"
)

// Report is what was looked at, and what of it is orphaned, a line each.
type Report struct {
	Orphans                  []string
	Interfaces, Rules, Addrs int
}

// segment is one bridge of the root.
type segment struct{ name, dir, bridge, table string }

// Examine looks at the networks of a root. living says that a container runs, or is
// about to.
func Examine(root string, living func(id string) bool) (r Report, err error) {
	segments, err := segmentsOf(root)
	if err != nil {
		return r, err
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return r, fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	links, err := dump.Whole(host.LinkList)
	if err != nil {
		return r, fmt.Errorf("network: listing interfaces: %w", err)
	}
	for _, s := range segments {
		pool, err := ipam.Read(s.dir)
		if err != nil {
			return r, err
		}
		r.addresses(s, pool, living)
		r.interfaces(s, pool, links)
		if err := r.rules(s, pool); err != nil {
			return r, err
		}
	}
	return r, nil
}

func segmentsOf(root string) ([]segment, error) {
	nets := network.Open(root)
	dir := filepath.Join(root, "network")
	first := segment{name: "bridge", dir: dir, bridge: nets.DefaultBridge(), table: nets.DefaultTable()}
	all := []segment{first}
	defs, err := nets.Defined()
	for _, def := range defs {
		all = append(all, segment{
			name: def.Name, dir: definition.Open(dir).Dir(def.ID), bridge: def.Bridge(),
			table: def.Table(),
		})
	}
	return all, err
}

func (r *Report) orphan(format string, args ...any) {
	r.Orphans = append(r.Orphans, fmt.Sprintf(format, args...))
}

func (r *Report) addresses(s segment, pool *ipam.Pool, living func(string) bool) {
	for id, l := range pool.Leases {
		r.Addrs++
		switch {
		case !l.Alive():
			r.orphan("address %s on network %s: the process that held it for container %s has ended", l.IP, s.name,
				ids.Short(id))
		case ids.Valid(id) && !living(id):
			r.orphan("address %s on network %s: container %s does not run", l.IP, s.name, ids.Short(id))
		}
	}
}

func (r *Report) interfaces(s segment, pool *ipam.Pool, links []netlink.Link) {
	i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == s.bridge }) // none is ""
	if i < 0 {
		return
	}
	r.Interfaces++
	for _, l := range links {
		name := l.Attrs().Name
		if l.Attrs().MasterIndex != links[i].Attrs().Index || !strings.HasPrefix(name, "vc") {
			continue
		}
		r.Interfaces++
		held := false
		for _, lease := range pool.Leases {
			held = held || lease.Veth == name && lease.Alive()
		}
		if !held {
			r.orphan("interface %s on network %s: no container has it", name, s.name)
		}
	}
}

// rules looks at the tables of both families; a network without IPv6 has one.
func (r *Report) rules(s segment, pool *ipam.Pool) error {
	if s.table == "" {
		return nil
	}
	for _, family := range []netip.Prefix{{}, netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		targets, there, err := firewall.New(s.table, s.bridge, family).Targets()
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		r.Rules++
		for _, t := range targets {
			r.Rules++
			held := false
			for _, lease := range pool.Leases {
				held = held || (lease.IP == t.Addr() || lease.IP6 == t.Addr()) && lease.Alive()
			}
			if !held {
				r.orphan("rule of network %s: a port is published to %s, which nobody has", s.name, t)
			}
		}
	}
	return nil
}
