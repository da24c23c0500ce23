// Package place says where on this host a new network may be: the subnets, and the link of
// the host's, that no other network and no route has.
package place

import (
	"net/netip"

	"github.com/vishvananda/netlink"

	"cove/errdefs"
	"cove/network/bridge"
	"cove/network/definition"
	"cove/network/etc"
	"cove/network/parent"
)

// Network gives a new network subnets that no other has, or checks its own; taken is one
// more that is somebody's, if it is valid. What is another's is errdefs.ErrConflict.
func Network(
	host *netlink.Handle, def *definition.Network, others []definition.Network, taken netip.Prefix,
) error {
	var used []netip.Prefix
	for _, other := range others {
		if err := apart(def, other); err != nil {
			return err
		}
		used = append(used, other.Subnets()...)
	}
	if taken.IsValid() {
		used = append(used, taken)
	}
	if !def.OnParent() { // whose subnet is that of the network which the host is on
		if err := bridge.CheckFree(host, def.Subnet, def.V6.Subnet); err != nil {
			return err
		}
	}
	for _, addr := range etc.Nameservers() {
		used = append(used, netip.PrefixFrom(addr, addr.BitLen()))
	}
	var err error
	if !def.Subnet.IsValid() {
		if def.Subnet, err = bridge.Choose(host, used); err != nil {
			return err
		}
	}
	if def.IPv6 && !def.HasIPv6() {
		def.V6.Subnet, err = bridge.ChooseIPv6(host, used)
	}
	return err
}

// apart is errdefs.ErrConflict when a new network would share a subnet or its link with
// another.
func apart(def *definition.Network, other definition.Network) error {
	for _, mine := range []netip.Prefix{def.Subnet, def.V6.Subnet} {
		for _, sub := range other.Subnets() {
			if mine.IsValid() && mine.Overlaps(sub) {
				return errdefs.Errorf(errdefs.ErrConflict,
					"network %s: Pool overlaps with other one on this address space: subnet %s is that of network %s",
					def.Name, sub, other.Name)
			}
		}
	}
	switch {
	case def.OnParent() && other.OnParent() && def.Parent() == other.Parent():
		if alone := parent.Passthru; def.Options[definition.OptionMacvlan] == alone ||
			other.Options[definition.OptionMacvlan] == alone || def.Kind() != other.Kind() {
			return errdefs.Errorf(errdefs.ErrConflict, "network %s: %s network %s is already using parent interface %s",
				def.Name, other.Kind(), other.Name, def.Parent())
		}
	case !def.OnParent() && other.Bridge() == def.Bridge():
		return errdefs.Errorf(errdefs.ErrConflict, "network %s: bridge %s is that of network %s", def.Name,
			def.Bridge(), other.Name)
	}
	return nil
}
