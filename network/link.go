package network

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/bridge"
	"cove/network/ends"
	"cove/network/held"
	"cove/network/ipam"
	"cove/network/publish"
	"cove/network/segment"
)

// link is one connection of a container.
type link struct {
	seg       *segment.Segment
	at        Attachment
	container string // its ID
	name      string // its name
	hostname  string // what it calls itself, a name to others too
	got       Attached
	asked     [][]publish.Port // what is published for each port that was asked for
	ports     []publish.Port   // to be published, and then those that are
	bridge    netlink.Link
}

// publish has ports published through the link.
func (l *link) publish(ports []publish.Port) {
	for _, p := range ports {
		l.asked = append(l.asked, l.seg.Bound(p, l.seg.Def.HasIPv6() && !ends.WithoutIPv6(l.at.Options)))
	}
	l.ports = slices.Concat(l.asked...)
}

// newLink is the connection of this number, which no other of the container has; taken are
// the names that its interfaces have, or are to have.
func newLink(of Running, seg *segment.Segment, at Attachment, number int, taken []string) *link {
	veth := hostEnd(of.ID, number)
	if seg.Def.OnParent() {
		veth = "" // nothing of it is in the host's namespace
	}
	return &link{seg: seg, at: at, container: of.ID, name: of.Name, hostname: of.Hostname, got: Attached{
		Driver: seg.Def.Driver, Network: at.Network, Name: at.Name, Veth: veth, Bridge: seg.Bridge,
		Interface: cmp.Or(at.Options[ends.Ifname], freeName(cmp.Or(seg.Set.Prefix, "eth"), taken)),
		LinkLocal: at.LinkLocal, Options: at.Options,
	}}
}

// hostEnd is what a container's connection of this number is called in the host's
// namespace.
func hostEnd(id string, number int) string {
	if number == 0 {
		return "vc" + ids.Short(id)
	}
	return "vc" + ids.Short(id) + strconv.FormatInt(int64(number), 36)
}

// freeName is the first of prefix0, prefix1 and so on that is not taken.
func freeName(prefix string, taken []string) string {
	for i := 0; ; i++ {
		if name := prefix + strconv.Itoa(i); !slices.Contains(taken, name) {
			return name
		}
	}
}

// lease finds or makes what all containers of the network share, and takes the
// addresses and the ports of this one, which owner holds.
func (l *link) lease(host *netlink.Handle, owner string) (listeners []held.Socket, err error) {
	err = ipam.Update(l.seg.Dir, func(pool *ipam.Pool) error {
		listeners, err = l.take(host, pool, owner)
		return err
	})
	return listeners, err
}

func (l *link) take(host *netlink.Handle, pool *ipam.Pool, owner string) (listeners []held.Socket, err error) {
	if l.bridge, err = l.seg.Ensure(host, pool); err != nil {
		return nil, err
	}
	evicted, err := evict(l.seg.Rules(pool), pool, l)
	if err != nil {
		return nil, err
	}
	l.ports = nil
	for _, asked := range l.asked {
		got, err := held.Reserve(pool, asked, evicted)
		if err != nil {
			return listeners, err
		}
		for _, s := range got {
			l.ports, listeners = append(l.ports, s.Port), append(listeners, s)
		}
	}
	lease, err := l.assign(pool)
	if err != nil {
		return listeners, err
	}
	for i := range listeners {
		listeners[i].To = lease.Target(listeners[i].Port)
	}
	lease.Owner = owner
	if err := l.seg.Rules(pool).Publish(lease); err != nil {
		return listeners, err
	}
	pool.Leases[l.container] = lease
	return listeners, nil
}

// assign takes an address of each family that the network has.
func (l *link) assign(pool *ipam.Pool) (ipam.Lease, error) {
	lease := ipam.Lease{
		Ports: l.ports, Veth: l.got.Veth, MAC: l.at.MAC, Name: l.name, Aliases: slices.Clone(l.at.Aliases),
		Links: l.at.Links,
	}
	if l.hostname != "" && l.hostname != ids.Short(l.container) {
		lease.Aliases = append(lease.Aliases, l.hostname)
	}
	var err error
	if lease.IP, err = pool.Assign(l.container, l.at.IP); err != nil {
		return lease, err
	}
	l.got.IP, l.got.Gateway = netip.PrefixFrom(lease.IP, pool.Subnet.Bits()), pool.Gateway()
	switch l.got.MAC = l.at.MAC; {
	case l.seg.OwnMAC():
		l.got.MAC = cmp.Or(l.at.MAC, bridge.MACOf(lease.IP).String())
	case l.at.MAC != "":
		delete(pool.Leases, l.container)
		return lease, errdefs.Errorf(errdefs.ErrUnsupported,
			"network %s: its interfaces have the hardware address of their parent, and no other", l.at.Name)
	default:
		l.got.MAC = l.bridge.Attrs().HardwareAddr.String()
		lease.MAC = l.got.MAC
	}
	if !l.seg.HasGateway() {
		l.got.Gateway = netip.Addr{}
	}
	if !pool.V6.Subnet.IsValid() || ends.WithoutIPv6(l.at.Options) && !l.at.IP6.IsValid() {
		return lease, nil
	}
	if lease.IP6, err = pool.Assign6(l.container, l.at.IP6); err != nil {
		delete(pool.Leases, l.container)
		return lease, err
	}
	l.got.IP6 = netip.PrefixFrom(lease.IP6, pool.V6.Subnet.Bits())
	if l.seg.HasGateway() {
		l.got.Gateway6 = pool.V6.Gateway()
	}
	return lease, nil
}

// evict releases what containers whose monitor was killed still hold of what a
// link asks for, or all that they hold when addresses run short, and reports
// whether there were any.
func evict(rules segment.Rules, pool *ipam.Pool, want *link) (bool, error) {
	full := !pool.HasFree()
	dead := pool.DropDead(func(l ipam.Lease) bool {
		return full || want.at.IP.IsValid() && l.IP == want.at.IP || want.at.IP6.IsValid() && l.IP6 == want.at.IP6 ||
			conflict(l.Ports, want.ports)
	})
	for _, l := range dead {
		if err := rules.Unpublish(l); err != nil {
			return false, err
		}
	}
	return len(dead) > 0, nil
}

func conflict(have, want []publish.Port) bool {
	return slices.ContainsFunc(have, func(p publish.Port) bool { return slices.ContainsFunc(want, p.Conflicts) })
}

// evictElsewhere is evict of ports on the networks that the link is not on: a rule
// of a dead container there would get the packets first.
func (n *Network) evictElsewhere(want *link) error {
	if len(want.ports) == 0 {
		return nil
	}
	all, err := n.segments()
	if err != nil || len(all) == 1 {
		return err
	}
	for _, seg := range all {
		if seg.Dir == want.seg.Dir {
			continue
		}
		err := ipam.Change(seg.Dir, func(pool *ipam.Pool) error {
			dead := pool.DropDead(func(l ipam.Lease) bool { return conflict(l.Ports, want.ports) })
			for _, l := range dead {
				if err := seg.Rules(pool).Unpublish(l); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// plug makes the veth pair, one end in the bridge, the other in a namespace; or there
// alone, on the parent.
func (l *link) plug(host *netlink.Handle, ns int) error {
	if !l.seg.OwnMAC() {
		return l.seg.Plug(host, ns, l.bridge, l.got.Interface, nil)
	}
	mac, err := net.ParseMAC(l.got.MAC)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "network: hardware address %s: want six bytes, as 02:42:ac:11:00:02",
			l.got.MAC)
	}
	if l.seg.Def.OnParent() {
		return l.seg.Plug(host, ns, l.bridge, l.got.Interface, mac)
	}
	return bridge.Plug(host, ns, l.bridge, bridge.Port{
		Veth: l.got.Veth, Inside: l.got.Interface, MAC: mac, Hairpin: len(l.ports) > 0, Isolated: l.seg.Set.Isolated,
	})
}
