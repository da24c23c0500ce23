package networks

import (
	"net/netip"
	"slices"

	"cove/errdefs"
	"cove/network/definition"
)

// addressesOf reads subnets, and what is asked of their addresses: one of each family
// at most, as a bridge has.
func addressesOf(def *definition.Network, o Options) error {
	var spaces []definition.Space
	for _, text := range o.Subnets {
		sub, err := netip.ParsePrefix(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: subnet %q is no ADDRESS/LENGTH", o.Name, text)
		}
		same := func(s definition.Space) bool { return s.Subnet.Addr().Is4() == sub.Addr().Is4() }
		if slices.ContainsFunc(spaces, same) {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"network %s: it can have one IPv4 and one IPv6 subnet, and %s is another", o.Name, sub)
		}
		spaces = append(spaces, definition.Space{Subnet: sub})
	}
	if err := place(spaces, o); err != nil {
		return err
	}
	for _, s := range spaces {
		if s.Subnet.Addr().Is6() {
			def.V6 = s
		} else {
			def.Subnet, def.Gateway, def.Range = s.Subnet, s.Gateway, s.Range
		}
	}
	if o.IPv6 != nil && !*o.IPv6 && def.HasIPv6() {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: it is to have no IPv6, and the subnet %s", o.Name,
			def.V6.Subnet)
	}
	def.IPv6 = def.HasIPv6() || o.IPv6 != nil && *o.IPv6
	return reserved(def, o)
}

// place gives gateways and ranges to the subnets that they are in.
func place(spaces []definition.Space, o Options) error {
	in := func(what, text string, a netip.Addr, taken func(definition.Space) bool) (*definition.Space, error) {
		i := slices.IndexFunc(spaces, func(s definition.Space) bool { return s.Subnet.Addr().Is4() == a.Is4() })
		if i < 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "network %s: no matching subnet for %s %s", o.Name, what,
				text)
		}
		if taken(spaces[i]) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "network %s: %s %s: subnet %s has one already", o.Name, what,
				text, spaces[i].Subnet)
		}
		return &spaces[i], nil
	}
	for _, text := range o.Ranges {
		r, err := netip.ParsePrefix(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: range %q is no ADDRESS/LENGTH", o.Name, text)
		}
		s, err := in("range", text, r.Addr(), func(s definition.Space) bool { return s.Range.IsValid() })
		if err != nil {
			return err
		}
		s.Range = r
	}
	for _, text := range o.Gateways {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: gateway %q is no address", o.Name, text)
		}
		s, err := in("gateway", text, a, func(s definition.Space) bool { return s.Gateway.IsValid() })
		if err != nil {
			return err
		}
		s.Gateway = a
	}
	return nil
}

func reserved(def *definition.Network, o Options) error {
	for what, text := range o.Reserved {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: reserved %s=%q is no address", o.Name, what, text)
		}
		if len(o.Subnets) == 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "network %s: no matching subnet for %s=%s", o.Name, what, text)
		}
		if def.Reserved == nil {
			def.Reserved = map[string]netip.Addr{}
		}
		def.Reserved[what] = addr
	}
	return nil
}
