// Package segment is one network as the host has it: a bridge, the pool of its
// addresses, and its table of rules, which come with the first container and go
// with the last. A network of macvlan or ipvlan has a parent instead of a bridge, and no
// rules.
package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/bridge"
	"cove/network/definition"
	"cove/network/etc"
	"cove/network/ipam"
	"cove/network/parent"
	"cove/network/publish"
)

// Segment is one bridge, with the pool of its addresses and its table of rules.
type Segment struct {
	// Dir is that of the pool, Bridge the link, Table the rules; both "" with a parent.
	Dir, Bridge, Table string
	// Def and Set are of a network that somebody made.
	Def definition.Network
	Set definition.Settings
}

// DefaultRoot is the local root of a machine where nothing else is asked for.
const DefaultRoot = "/var/lib/cove"

const defaultBridge = "cove0"

// Default is the default bridge's of a local root: cove0 and the table cove of the
// default root; any other root has names, and a subnet, of its own.
func Default(root string) *Segment {
	s := &Segment{Dir: filepath.Join(root, "network"), Bridge: defaultBridge, Table: "cove"}
	if root != DefaultRoot {
		sum := sha256.Sum256([]byte(root))
		s.Bridge = "cove-" + hex.EncodeToString(sum[:4])
		s.Table = s.Bridge
	}
	return s
}

// Of is that of a network that somebody made, whose definition is in a store.
func Of(defs *definition.Store, def definition.Network) (*Segment, error) {
	set, err := def.Settings()
	if err != nil {
		return nil, err
	}
	return &Segment{Dir: defs.Dir(def.ID), Bridge: def.Bridge(), Table: def.Table(), Def: def, Set: set}, nil
}

// Named reports whether somebody made the network.
func (s *Segment) Named() bool { return s.Def.ID != "" }

// alias marks the link of a network that somebody made as made here.
func (s *Segment) alias() string {
	if !s.Named() {
		return ""
	}
	return "cove network " + ids.Short(s.Def.ID)
}

// Bound is a port as it is published here, those without an address on that which the
// network says: of two, the second is to have the number that the first gets.
func (s *Segment) Bound(p publish.Port, ipv6 bool) []publish.Port {
	if !p.HostIP.IsValid() {
		p.HostIP = s.Set.HostIP
	}
	if p.HostIP.IsValid() || !ipv6 {
		return []publish.Port{p}
	}
	also := p
	also.HostIP = netip.IPv6Unspecified()
	return []publish.Port{p, also}
}

// Ensure finds or makes the bridge, or the parent, and lays out the pool.
func (s *Segment) Ensure(host *netlink.Handle, pool *ipam.Pool) (link netlink.Link, err error) {
	if s.Named() {
		if _, err := os.Stat(filepath.Join(s.Dir, definition.FileName)); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "network %s was removed", s.Def.Name)
		}
		s.layOut(pool)
		link, err = s.link(host)
	} else {
		link, pool.Subnet, err = bridge.Ensure(host, s.Bridge, pool.Subnet, s.avoid)
	}
	if err != nil {
		return nil, err
	}
	return link, s.Rules(pool).Ensure()
}

// Foreseen is the subnet that Ensure would give the default bridge now.
func (s *Segment) Foreseen() netip.Prefix {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return netip.Prefix{}
	}
	defer host.Close()
	return bridge.Foreseen(host, s.Bridge, s.avoid)
}

// layOut tells the pool what was defined of the network.
func (s *Segment) layOut(pool *ipam.Pool) {
	pool.Subnet = s.Def.Subnet
	pool.Layout = ipam.Layout{
		Gateway: s.Def.Gateway, Range: s.Def.Range, Reserved: s.Def.ReservedIn(s.Def.Subnet),
	}
	if v6 := s.Def.V6; s.Def.HasIPv6() {
		pool.V6.Subnet = v6.Subnet
		pool.V6.Layout = ipam.Layout{Gateway: v6.Gateway, Range: v6.Range, Reserved: s.Def.ReservedIn(v6.Subnet)}
	}
}

// link finds or makes what a network that somebody made has on the host.
func (s *Segment) link(host *netlink.Handle) (netlink.Link, error) {
	if s.Def.OnParent() {
		return parent.Ensure(host, s.parent())
	}
	return bridge.EnsureWanted(host, s.wanted())
}

func (s *Segment) parent() parent.Wanted {
	return parent.Wanted{
		Name: s.Def.Parent(), Dummy: s.Def.Options[definition.OptionParent] == "", MTU: s.Set.MTU, Alias: s.alias(),
	}
}

// Missing names what a network that somebody made should have on the host and has not,
// if it can be made.
func (s *Segment) Missing() string {
	name := s.Bridge
	if s.Def.OnParent() {
		name = s.Def.Parent()
	}
	if _, err := net.InterfaceByName(name); err == nil || !s.Named() || s.Def.OnParent() && !s.parent().Makes() {
		return ""
	}
	return name
}

// Plug makes the interface of a container on the parent link, in a network namespace;
// mac is nil where it has the parent's.
func (s *Segment) Plug(host *netlink.Handle, ns int, link netlink.Link, name string, mac net.HardwareAddr) error {
	return parent.Plug(host, ns, link, parent.Child{
		Name: name, MAC: mac, MTU: s.Set.MTU, IPvlan: s.Def.Kind() == definition.DriverIPvlan,
		Mode: s.Set.Mode, Flag: s.Set.Flag,
	})
}

// OwnMAC reports whether its containers have hardware addresses of their own.
func (s *Segment) OwnMAC() bool {
	return s.Def.Kind() != definition.DriverIPvlan && s.Set.Mode != parent.Passthru
}

// HasGateway reports whether what its containers send has a way out by a gateway.
func (s *Segment) HasGateway() bool { return !s.Def.OnParent() || !s.Def.Internal && !s.Def.Routed() }

func (s *Segment) wanted() bridge.Wanted {
	return bridge.Wanted{
		Name: s.Bridge, Subnet: s.Def.Subnet, Gateway: s.Def.Gateway, MTU: s.Set.MTU, Alias: s.alias(),
		Subnet6: s.Def.V6.Subnet, Gateway6: s.Def.V6.Gateway,
	}
}

// avoid are the subnets that the default bridge must not hide: of the servers that
// this host asks for names, and of networks that are down.
func (s *Segment) avoid() (all []netip.Prefix) {
	for _, addr := range etc.Nameservers() {
		all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
	}
	defs, err := definition.Open(s.Dir).All()
	if err != nil {
		return all // whoever starts on such a network is told
	}
	for _, def := range defs {
		all = append(all, def.Subnets()...)
	}
	return all
}

// Raise makes the bridge of a network that somebody made, or its parent, before any
// container is on it: from then on nobody else can take a bridge's subnet.
func (s *Segment) Raise() error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	_, err = s.link(host)
	return err
}

// Mend makes again the rules that somebody took away while containers need them, as a
// firewall does that flushes all when it reloads, and reports whether it did.
func (s *Segment) Mend() (mended bool, err error) {
	err = ipam.Change(s.Dir, func(pool *ipam.Pool) error {
		if len(pool.Leases) == 0 {
			return nil
		}
		rules := s.Rules(pool)
		whole, err := rules.Whole()
		if whole || err != nil {
			return err
		}
		mended = true
		return rules.Rebuild(pool.Leases)
	})
	return mended, err
}

// Lower removes the bridge, or the parent, but not a link that was there before the
// network, or that one of the others has.
func (s *Segment) Lower(others ...definition.Network) error {
	if !s.Def.OnParent() {
		return bridge.Delete(s.Bridge, s.alias())
	}
	for _, other := range others {
		if other.ID != s.Def.ID && other.OnParent() && other.Parent() == s.Def.Parent() {
			return parent.Release(s.parent(), (&Segment{Def: other}).alias())
		}
	}
	return parent.Release(s.parent(), "")
}

// Drop removes what all containers of the network shared, after the last. The bridge
// of a network that somebody made stays as long as that is there; the default root's
// stays, as it takes longer to make and remove than a container runs.
func (s *Segment) Drop(pool *ipam.Pool) error {
	err := s.Rules(pool).Drop()
	if s.Named() || s.Bridge == defaultBridge {
		return err
	}
	return errors.Join(err, s.Lower())
}
