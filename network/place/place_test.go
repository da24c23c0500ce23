package place

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/definition"
)

func handle(t *testing.T) *netlink.Handle {
	t.Helper()
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(host.Close)
	return host
}

// TestChosen: what is chosen overlaps no other network's, nor the one that is taken.
func TestChosen(t *testing.T) {
	t.Parallel()
	host := handle(t)
	var others []definition.Network
	taken := netip.Prefix{}
	for i := range 12 {
		def := definition.Network{ID: strings.Repeat(string(rune('a'+i)), 64), Name: string(rune('a' + i)), IPv6: i%2 == 0}
		if err := Network(host, &def, others, taken); err != nil {
			t.Fatal(err)
		}
		if !def.Subnet.Addr().Is4() || def.HasIPv6() != def.IPv6 {
			t.Fatalf("%+v", def)
		}
		for _, other := range others {
			for _, sub := range other.Subnets() {
				for _, mine := range def.Subnets() {
					if mine.Overlaps(sub) {
						t.Errorf("%s is in %s of %s", mine, sub, other.Name)
					}
				}
			}
		}
		if taken.IsValid() && def.Subnet.Overlaps(taken) {
			t.Errorf("%s is taken", def.Subnet)
		}
		if i == 5 {
			taken = def.Subnet // it is nobody's among the others, and still no other's
			continue
		}
		others = append(others, def)
	}
}

// TestAnothers: a subnet, a bridge or a link of the host's that another network has is
// refused, with that network's name.
func TestAnothers(t *testing.T) {
	t.Parallel()
	host := handle(t)
	macvlan := func(name, mode string) definition.Network {
		return definition.Network{
			ID: strings.Repeat(name, 64), Name: name, Driver: definition.DriverMacvlan,
			Options: map[string]string{definition.OptionParent: "cove-none0", definition.OptionMacvlan: mode},
			Subnet:  netip.MustParsePrefix("198.18." + map[string]string{"a": "1", "b": "2"}[name] + ".0/24"),
		}
	}
	plain := func(name, subnet string) definition.Network {
		return definition.Network{ID: strings.Repeat(name, 64), Name: name, Subnet: netip.MustParsePrefix(subnet)}
	}
	ipvlan := macvlan("b", "")
	ipvlan.Driver = definition.DriverIPvlan
	for name, tt := range map[string]struct {
		mine, other definition.Network
		says        string
	}{
		"a subnet":               {plain("a", "198.18.1.0/24"), plain("b", "198.18.0.0/16"), "198.18.0.0/16 is that of network b"},
		"the bridge":             {plain("a", "198.18.1.0/24"), plain("a", "198.18.2.0/24"), "is that of network a"},
		"a link for one":         {macvlan("a", "passthru"), macvlan("b", "bridge"), "network b is already using parent interface cove-none0"},
		"a link of another kind": {macvlan("a", "bridge"), ipvlan, "ipvlan network b is already using"},
		"a link for many":        {macvlan("a", "bridge"), macvlan("b", "private"), ""},
	} {
		err := Network(host, &tt.mine, []definition.Network{tt.other}, netip.Prefix{})
		if tt.says == "" && err == nil {
			continue
		}
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), tt.says) || tt.says == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
