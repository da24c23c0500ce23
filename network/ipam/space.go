package ipam

import (
	"encoding/binary"
	"math"
	"net/netip"

	"cove/errdefs"
)

// Space is the addresses of one family.
type Space struct {
	Subnet netip.Prefix `json:"subnet,omitzero"`
	Last   netip.Addr   `json:"last,omitzero"` // the next search starts behind it
	Layout Layout       `json:"layout,omitzero"`
}

// Gateway is the bridge's own address.
func (s Space) Gateway() netip.Addr {
	if s.Layout.Gateway.IsValid() || !s.Subnet.IsValid() {
		return s.Layout.Gateway
	}
	return s.Subnet.Masked().Addr().Next()
}

func (s *Space) assign(taken map[netip.Addr]string, want netip.Addr) (netip.Addr, error) {
	if want.IsValid() {
		if !s.Subnet.Contains(want) || want == s.Subnet.Masked().Addr() || want == s.broadcast() {
			return want, errdefs.Errorf(errdefs.ErrInvalid, "network: address %s: not a host of the bridge's subnet %s",
				want, s.Subnet)
		}
		if who, ok := taken[want]; ok {
			return want, errdefs.Errorf(errdefs.ErrConflict, "network: address %s: in use by %s", want, who)
		}
		return want, nil
	}
	first, last := s.bounds()
	next := s.Last
	for range len(taken) + 2 {
		if next = next.Next(); !next.IsValid() || next.Less(first) || last.Less(next) {
			next = first
		}
		if _, ok := taken[next]; !ok {
			s.Last = next
			return next, nil
		}
	}
	return netip.Addr{}, errdefs.Errorf(errdefs.ErrExhausted, "network: no free address in %s: %d are held",
		s.Subnet, len(taken))
}

// broadcast is the address of an IPv4 subnet that means all of its hosts; IPv6 has
// none (RFC 4291, section 2).
func (s Space) broadcast() netip.Addr {
	if s.Subnet.Addr().Is6() {
		return netip.Addr{}
	}
	return lastOf(s.Subnet)
}

// bounds are the first and the last address for those that ask for none.
func (s Space) bounds() (first, last netip.Addr) {
	first, last = s.Subnet.Masked().Addr().Next(), lastOf(s.Subnet)
	if last == s.broadcast() {
		last = last.Prev()
	}
	if r := s.Layout.Range; r.IsValid() {
		if from := r.Masked().Addr(); first.Less(from) {
			first = from
		}
		if to := lastOf(r); to.Less(last) {
			last = to
		}
	}
	return first, last
}

// hasFree reports whether an address is left for one that asks for none.
func (s Space) hasFree(taken map[netip.Addr]string) bool {
	first, last := s.bounds()
	if last.Less(first) {
		return false
	}
	used := uint64(0)
	for addr := range taken {
		if addr.IsValid() && !addr.Less(first) && !last.Less(addr) {
			used++
		}
	}
	return used <= distance(first, last)
}

// distance is how many addresses follow one until another; MaxUint64 is more than
// that.
func distance(from, to netip.Addr) uint64 {
	a, b := from.As16(), to.As16()
	high := binary.BigEndian.Uint64(b[:8]) - binary.BigEndian.Uint64(a[:8])
	low, start := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(a[8:])
	if high > 1 || high == 1 && low >= start {
		return math.MaxUint64
	}
	return low - start
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(a)*8; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(a)
	return last
}
