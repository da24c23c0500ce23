package definition

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"cove/errdefs"
)

func TestCompleteIPv6(t *testing.T) {
	t.Parallel()
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	tests := map[string]struct {
		v6   Space
		mtu  string
		kind error
	}{
		"alone":             {Space{Subnet: prefix("fd00:5::/64")}, "", nil},
		"global":            {Space{Subnet: prefix("2001:db8::/48"), Gateway: addr("2001:db8::5")}, "", nil},
		"with a range":      {Space{Subnet: prefix("fd00:5::/64"), Range: prefix("fd00:5::1:0/112")}, "1280", nil},
		"range elsewhere":   {Space{Subnet: prefix("fd00:5::/64"), Range: prefix("fd00:6::/112")}, "", errdefs.ErrInvalid},
		"gateway elsewhere": {Space{Subnet: prefix("fd00:5::/64"), Gateway: addr("fd00:6::1")}, "", errdefs.ErrInvalid},
		"gateway of IPv4":   {Space{Subnet: prefix("fd00:5::/64"), Gateway: addr("10.1.2.9")}, "", errdefs.ErrInvalid},
		"bits of a host":    {Space{Subnet: prefix("fd00:5::1/64")}, "", errdefs.ErrInvalid},
		"too small":         {Space{Subnet: prefix("fd00:5::/127")}, "", errdefs.ErrInvalid},
		"of a link":         {Space{Subnet: prefix("fe80::/64")}, "", errdefs.ErrInvalid},
		"of a group":        {Space{Subnet: prefix("ff05::/64")}, "", errdefs.ErrInvalid},
		"of IPv4":           {Space{Subnet: prefix("::ffff:10.0.0.0/120")}, "", errdefs.ErrInvalid},
		"packets too small": {Space{Subnet: prefix("fd00:5::/64")}, "1279", errdefs.ErrInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := Network{Subnet: prefix("10.1.2.0/24"), V6: tt.v6}
			if tt.mtu != "" {
				n.Options = map[string]string{OptionMTU: tt.mtu}
			}
			err := n.Complete()
			if !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if err == nil && (!n.V6.Subnet.Contains(n.V6.Gateway) || !n.HasIPv6()) {
				t.Errorf("gateway %s", n.V6.Gateway)
			}
		})
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	n := Network{
		Subnet: netip.MustParsePrefix("10.1.2.0/24"), V6: Space{Subnet: netip.MustParsePrefix("fd00:5::/64")},
		Reserved: map[string]netip.Addr{"a": netip.MustParseAddr("10.1.2.7"), "b": netip.MustParseAddr("fd00:5::7")},
	}
	if err := n.Complete(); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"10.1.2.7", "fd00:5::7"} {
		if got := n.ReservedIn(n.Subnets()[i]); !slices.Equal(got, []netip.Addr{netip.MustParseAddr(want)}) {
			t.Errorf("of %s: %v", n.Subnets()[i], got)
		}
	}
	n.Reserved["c"] = netip.MustParseAddr("fd00:6::7")
	if err := n.Complete(); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("an address of neither: %v", err)
	}
}
