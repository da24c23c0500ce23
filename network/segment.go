package network

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/bridge"
	"cove/network/definition"
	"cove/network/firewall"
	"cove/network/ipam"
	"cove/network/publish"
)

// Network is the networks of one local root: the default bridge, and those that
// people made. It is safe for concurrent use, by several processes too.
type Network struct {
	segment // the default bridge's

	defs *definition.Store
}

// segment is one bridge, with the pool of its addresses and its table of rules.
type segment struct {
	dir    string // of the pool
	bridge string
	table  string
	// def and set are of a network that somebody made.
	def definition.Network
	set definition.Settings
}

// defaultRoot is the local root of a machine where nothing else is asked for.
const (
	defaultRoot   = "/var/lib/cove"
	defaultBridge = "cove0"
)

// Open returns the networks of a local root; nothing is made yet. The default
// root's bridge is cove0 and its table cove; any other root has names, and a
// subnet, of its own.
func Open(root string) *Network {
	dir := filepath.Join(root, "network")
	n := &Network{segment: segment{dir: dir, bridge: defaultBridge, table: "cove"}, defs: definition.Open(dir)}
	if root != defaultRoot {
		sum := sha256.Sum256([]byte(root))
		n.bridge = "cove-" + hex.EncodeToString(sum[:4])
		n.table = n.bridge
	}
	return n
}

// segmentOf is that of a network that somebody made, or the default bridge's.
func (n *Network) segmentOf(id string) (*segment, error) {
	if id == "" {
		return &n.segment, nil
	}
	def, err := n.defs.Get(id)
	if err != nil {
		return nil, err
	}
	return n.segmentFor(def)
}

func (n *Network) segmentFor(def definition.Network) (*segment, error) {
	set, err := def.Settings()
	if err != nil {
		return nil, err
	}
	return &segment{
		dir: n.defs.Dir(def.ID), bridge: def.Bridge(), table: def.Table(), def: def, set: set,
	}, nil
}

// segments are all there are.
func (n *Network) segments() ([]*segment, error) {
	all := []*segment{&n.segment}
	defs, err := n.defs.All()
	if err != nil {
		return nil, err
	}
	for _, def := range defs {
		seg, err := n.segmentFor(def)
		if err != nil {
			return nil, err
		}
		all = append(all, seg)
	}
	return all, nil
}

// named reports whether somebody made the network.
func (s *segment) named() bool { return s.def.ID != "" }

// alias marks the link of a network that somebody made as made here.
func (s *segment) alias() string {
	if !s.named() {
		return ""
	}
	return "cove network " + ids.Short(s.def.ID)
}

func (s *segment) firewall(subnet netip.Prefix) *firewall.Table {
	return firewall.New(s.table, s.bridge, subnet).With(firewall.Policy{
		Internal: s.def.Internal, NoMasquerade: s.set.NoMasquerade,
	})
}

// bound are ports, those without an address on that which the network says.
func (s *segment) bound(ports []publish.Port) []publish.Port {
	ports = slices.Clone(ports)
	for i := range ports {
		if !ports[i].HostIP.IsValid() {
			ports[i].HostIP = s.set.HostIP
		}
	}
	return ports
}

// ensure finds or makes the bridge, and lays out the pool.
func (s *segment) ensure(host *netlink.Handle, pool *ipam.Pool) (link netlink.Link, err error) {
	if s.named() {
		if _, err := os.Stat(filepath.Join(s.dir, definition.FileName)); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "network %s was removed", s.def.Name)
		}
		pool.Subnet = s.def.Subnet
		pool.Layout = ipam.Layout{
			Gateway: s.def.Gateway, Range: s.def.Range, Reserved: slices.Collect(maps.Values(s.def.Reserved)),
		}
		link, err = bridge.EnsureWanted(host, bridge.Wanted{
			Name: s.bridge, Subnet: s.def.Subnet, Gateway: s.def.Gateway, MTU: s.set.MTU, Alias: s.alias(),
		})
	} else {
		link, pool.Subnet, err = bridge.Ensure(host, s.bridge, pool.Subnet, s.avoid)
	}
	if err != nil {
		return nil, err
	}
	return link, s.firewall(pool.Subnet).Ensure()
}

// avoid are the subnets that the default bridge must not hide: of the servers that
// this host asks for names, and of networks that are down.
func (s *segment) avoid() (all []netip.Prefix) {
	for _, addr := range nameservers() {
		all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
	}
	defs, err := definition.Open(s.dir).All()
	if err != nil {
		return all // whoever starts on such a network is told
	}
	for _, def := range defs {
		all = append(all, def.Subnet)
	}
	return all
}

// link is one connection of a container.
type link struct {
	seg       *segment
	at        Attachment
	container string // its ID
	name      string // its name
	got       Attached
	ports     []publish.Port // to be published, and then those that are
	bridge    netlink.Link
}

func newLink(container, name string, seg *segment, at Attachment, number int) *link {
	veth := "vc" + ids.Short(container)
	if number > 0 {
		veth += strconv.FormatInt(int64(number), 36)
	}
	return &link{seg: seg, at: at, container: container, name: name, got: Attached{
		Network: at.Network, Name: at.Name, Interface: "eth" + strconv.Itoa(number), Veth: veth, Bridge: seg.bridge,
	}}
}

// lease finds or makes what all containers of the network share, and takes the
// address and the ports of this one, which owner holds.
func (l *link) lease(host *netlink.Handle, owner string) (listeners []int, err error) {
	err = ipam.Update(l.seg.dir, func(pool *ipam.Pool) error {
		listeners, err = l.take(host, pool, owner)
		return err
	})
	return listeners, err
}

func (l *link) take(host *netlink.Handle, pool *ipam.Pool, owner string) (listeners []int, err error) {
	if l.bridge, err = l.seg.ensure(host, pool); err != nil {
		return nil, err
	}
	fw := l.seg.firewall(pool.Subnet)
	evicted, err := evict(fw, pool, l)
	if err != nil {
		return nil, err
	}
	for i, p := range l.ports {
		got, fd, err := publish.Reserve(p)
		for end := time.Now().Add(dying); evicted && errors.Is(err, unix.EADDRINUSE) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
			got, fd, err = publish.Reserve(p)
		}
		if err != nil {
			return listeners, explain(pool, p, err)
		}
		l.ports[i], listeners = got, append(listeners, fd)
	}
	ip, err := pool.Assign(l.container, l.at.IP)
	if err != nil {
		return listeners, err
	}
	if err := fw.Publish(l.ports, ip); err != nil {
		return listeners, err
	}
	pool.Leases[l.container] = ipam.Lease{
		IP: ip, Ports: l.ports, Owner: owner, Veth: l.got.Veth, MAC: l.at.MAC, Name: l.name, Aliases: l.at.Aliases,
	}
	l.got.IP, l.got.Gateway = netip.PrefixFrom(ip, pool.Subnet.Bits()), pool.Gateway()
	if l.got.MAC = l.at.MAC; l.got.MAC == "" {
		l.got.MAC = bridge.MACOf(ip).String()
	}
	return listeners, nil
}

// dying is how long the sockets of a process that was killed may outlive it.
const dying = time.Second

// evict releases what containers whose monitor was killed still hold of what a
// link asks for, or all that they hold when addresses run short, and reports
// whether there were any.
func evict(fw *firewall.Table, pool *ipam.Pool, want *link) (bool, error) {
	full := !pool.HasFree()
	dead := pool.DropDead(func(l ipam.Lease) bool {
		return full || want.at.IP.IsValid() && l.IP == want.at.IP || conflict(l.Ports, want.ports)
	})
	for _, l := range dead {
		if err := fw.Unpublish(l.Ports, l.IP); err != nil {
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
		if _, err := os.Stat(ipam.Path(seg.dir)); err != nil || seg.dir == want.seg.dir {
			continue
		}
		err := ipam.Update(seg.dir, func(pool *ipam.Pool) error {
			dead := pool.DropDead(func(l ipam.Lease) bool { return conflict(l.Ports, want.ports) })
			for _, l := range dead {
				if err := seg.firewall(pool.Subnet).Unpublish(l.Ports, l.IP); err != nil {
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

// plug makes the veth pair, one end in the bridge, the other in a namespace.
func (l *link) plug(host *netlink.Handle, ns int) error {
	mac, err := net.ParseMAC(l.got.MAC)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "network: hardware address %s: want six bytes, as 02:42:ac:11:00:02",
			l.got.MAC)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = l.got.Veth, l.bridge.Attrs().MTU, l.bridge.Attrs().Index
	attrs.Flags = net.FlagUp
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: l.got.Interface, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(ns),
	}
	err = host.LinkAdd(veth)
	if errors.Is(err, unix.EEXIST) {
		// A predecessor with this ID: its namespace is still being destroyed.
		_ = host.LinkDel(veth) // it may be gone meanwhile
		err = host.LinkAdd(veth)
	}
	if errors.Is(err, unix.EXFULL) {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"network: bridge %s is full: the kernel allows 1,023 containers on one bridge", l.got.Bridge)
	}
	if err != nil {
		return bridge.Denied("plugging "+l.got.Veth+" into "+l.got.Bridge, err)
	}
	return l.tune(host, veth)
}

// tune sets what a port of the bridge has of its own.
func (l *link) tune(host *netlink.Handle, veth netlink.Link) error {
	if len(l.ports) > 0 {
		// Where br_netfilter is loaded (docker does), what a container sends to
		// its own published port is bridged, back to where it came from.
		if err := host.LinkSetHairpin(veth, true); err != nil {
			return bridge.Denied("letting "+l.got.Veth+" reach its own published ports", err)
		}
	}
	if l.seg.set.Isolated {
		// Isolated ports exchange nothing with each other, only with the bridge.
		if err := host.LinkSetIsolated(veth, true); err != nil {
			return bridge.Denied("isolating "+l.got.Veth, err)
		}
	}
	return nil
}

// drop removes what all containers of the network shared, after the last. The
// default root's bridge stays, as it takes longer to make and remove than a
// container runs; and a link that was there before the network, too.
func (s *segment) drop(subnet netip.Prefix) error {
	err := s.firewall(subnet).Drop()
	if s.bridge == defaultBridge {
		return err
	}
	return errors.Join(err, deleteLink(s.bridge, s.alias()))
}

// deleteLink removes a link with an alias.
func deleteLink(name, alias string) error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	link, err := host.LinkByName(name)
	if err != nil || link.Attrs().Alias != alias {
		return nil // it is removed with its namespace
	}
	if err := host.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("network: removing %s: %w", name, err)
	}
	return nil
}
