package ipam

import (
	"errors"
	"net/netip"
	"testing"

	"cove/errdefs"
)

// TestAssign6 gives addresses of a range of an IPv6 subnet, one after the other.
func TestAssign6(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	pool := &Pool{
		Subnet: netip.MustParsePrefix("10.9.0.0/24"), Leases: map[string]Lease{},
		V6: Space{Subnet: netip.MustParsePrefix("fd00:9::/64"), Layout: Layout{
			Range: netip.MustParsePrefix("fd00:9::10/126"), Reserved: []netip.Addr{addr("fd00:9::11")},
		}},
	}
	if pool.V6.Gateway() != addr("fd00:9::1") || !pool.HasFree() {
		t.Errorf("gateway %s, free %v", pool.V6.Gateway(), pool.HasFree())
	}
	for id, want := range map[string]string{"a": "fd00:9::9", "b": "fd00:9::ffff:ffff:ffff:ffff"} {
		if got, err := pool.Assign6(id, addr(want)); err != nil || got != addr(want) || pool.Leases[id].IP6 != got {
			t.Errorf("%s gets %s, %v", id, got, err)
		}
	}
	for _, want := range []string{"fd00:9::10", "fd00:9::12", "fd00:9::13"} {
		if got, err := pool.Assign6(want, netip.Addr{}); err != nil || got != addr(want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if _, err := pool.Assign6("more", netip.Addr{}); !errors.Is(err, errdefs.ErrExhausted) || pool.HasFree() {
		t.Errorf("beyond the last: %v, free %v", err, pool.HasFree())
	}
	for text, kind := range map[string]error{
		"fd00:9::": errdefs.ErrInvalid, "fd00:a::1": errdefs.ErrInvalid, "fd00:9::1": errdefs.ErrConflict,
		"fd00:9::11": errdefs.ErrConflict, "fd00:9::9": errdefs.ErrConflict,
	} {
		if _, err := pool.Assign6("other", addr(text)); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", text, err, kind)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		want     uint64
	}{
		{"10.0.0.1", "10.0.0.9", 8},
		{"fd00::1", "fd00::1", 0},
		{"fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::1", 2},
		{"fd00::", "fd00:0:0:1::", 1<<64 - 1},
		{"fd00::", "fd00:1::", 1<<64 - 1},
	} {
		if got := distance(netip.MustParseAddr(tt.from), netip.MustParseAddr(tt.to)); got != tt.want {
			t.Errorf("from %s to %s: %d, want %d", tt.from, tt.to, got, tt.want)
		}
	}
}
