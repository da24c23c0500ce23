package definition

import (
	"maps"
	"net/netip"
	"slices"

	"cove/errdefs"
)

// Complete checks addresses and options, and fills in gateways: the first address
// of each subnet.
func (n *Network) Complete() error {
	set, err := n.Settings()
	if err != nil {
		return err
	}
	if !n.Subnet.IsValid() || !n.Subnet.Addr().Is4() {
		return errdefs.Errorf(errdefs.ErrUnsupported, "network %s: subnet %s: it has to have one that is IPv4",
			n.Name, n.Subnet)
	}
	v4 := Space{Subnet: n.Subnet, Gateway: n.Gateway, Range: n.Range}
	if err := v4.complete(n.Name, minBits, maxBits); err != nil {
		return err
	}
	n.Gateway, n.Range = v4.Gateway, v4.Range
	if n.HasIPv6() {
		if err := n.V6.complete6(n.Name); err != nil {
			return err
		}
		if set.MTU != 0 && set.MTU < minMTU6 {
			return errdefs.Errorf(errdefs.ErrInvalid, "network option %s: %d is less than the %d that IPv6 needs",
				OptionMTU, set.MTU, minMTU6)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(n.Reserved)) {
		a := n.Reserved[what]
		if !slices.ContainsFunc(n.Subnets(), func(sub netip.Prefix) bool { return isHost(sub, a) }) {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: %s %s is not a host of the subnet %s",
				n.Name, what, a, n.Subnet)
		}
	}
	return nil
}

// The lengths that a subnet may have: the kernel's bridge holds 1,023 containers,
// and two addresses are needed at least.
const (
	minBits, maxBits   = 8, 30
	minBits6, maxBits6 = 8, 126
)

// complete6 refuses what no host routes: addresses of links, groups and of IPv4.
func (s *Space) complete6(name string) error {
	a := s.Subnet.Addr()
	if !a.Is6() || a.Is4In6() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsLoopback() || a.IsUnspecified() {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"network %s: subnet %s: want one of global or unique local IPv6 addresses, as fd12:3456:789a:1::/64", name,
			s.Subnet)
	}
	return s.complete(name, minBits6, maxBits6)
}

func (s *Space) complete(name string, least, most int) error {
	sub := s.Subnet
	switch {
	case sub.Bits() > most || sub.Bits() < least:
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: subnet %s: want a length of /%d to /%d", name, sub,
			least, most)
	case sub != sub.Masked():
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: subnet %s has bits of a host; want %s", name, sub,
			sub.Masked())
	case s.Range.IsValid() && (s.Range.Bits() < sub.Bits() || !sub.Contains(s.Range.Addr())):
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: range %s is not inside the subnet %s", name, s.Range,
			sub)
	}
	s.Range = s.Range.Masked()
	if !s.Gateway.IsValid() {
		s.Gateway = sub.Addr().Next()
	}
	if !isHost(sub, s.Gateway) {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: gateway %s is not a host of the subnet %s", name,
			s.Gateway, sub)
	}
	return nil
}

func isHost(sub netip.Prefix, a netip.Addr) bool { return sub.Contains(a) && a != sub.Addr() }
