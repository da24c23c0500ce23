package dockertypes

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cove/network"
	"cove/network/definition"
	"cove/network/ipam"
	"cove/runner/record"
)

func TestNetworkIsShown(t *testing.T) {
	t.Parallel()
	def := definition.Network{
		ID: "abc", Name: "web", Created: time.Unix(1, 0).UTC(), Subnet: netip.MustParsePrefix("10.5.0.0/16"),
		Gateway: netip.MustParseAddr("10.5.0.1"), Range: netip.MustParsePrefix("10.5.1.0/24"), Internal: true,
		Labels: map[string]string{"team": "a"}, Options: map[string]string{definition.OptionMTU: "1400"},
		Reserved: map[string]netip.Addr{"printer": netip.MustParseAddr("10.5.0.7"), "six": netip.MustParseAddr("fd00:5::7")},
		V6:       definition.Space{Subnet: netip.MustParsePrefix("fd00:5::/64"), Gateway: netip.MustParseAddr("fd00:5::1")},
	}
	got := OfNetwork(def)
	got.AddMembers(&ipam.Pool{Subnet: def.Subnet, V6: ipam.Space{Subnet: def.V6.Subnet}, Leases: map[string]ipam.Lease{
		"c1": {IP: netip.MustParseAddr("10.5.1.2"), IP6: netip.MustParseAddr("fd00:5::2"), Name: "db"},
		"c2": {IP: netip.MustParseAddr("10.5.1.3"), MAC: "02:00:00:00:00:01"},
	}})
	want := Network{
		Name: "web", ID: "abc", Created: def.Created, Scope: "local", Driver: "bridge", EnableIPv4: true, EnableIPv6: true,
		Internal: true,
		IPAM: IPAM{Driver: "default", Config: []Pool{{
			Subnet: "10.5.0.0/16", IPRange: "10.5.1.0/24", Gateway: "10.5.0.1",
			AuxiliaryAddresses: map[string]string{"printer": "10.5.0.7"},
		}, {Subnet: "fd00:5::/64", Gateway: "fd00:5::1", AuxiliaryAddresses: map[string]string{"six": "fd00:5::7"}}}},
		Containers: map[string]NetworkMember{
			"c1": {Name: "db", EndpointID: "c1", MacAddress: "02:42:0a:05:01:02", IPv4Address: "10.5.1.2/16", IPv6Address: "fd00:5::2/64"},
			"c2": {Name: "c2", EndpointID: "c2", MacAddress: "02:00:00:00:00:01", IPv4Address: "10.5.1.3/16"},
		},
		Options: def.Options, Labels: def.Labels,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	bridge := BridgeNetwork("cove0", &ipam.Pool{Subnet: netip.MustParsePrefix("172.30.0.0/16")})
	if bridge.IPAM.Config[0].Gateway != "172.30.0.1" || bridge.Options[definition.OptionBridge] != "cove0" {
		t.Errorf("bridge is %+v", bridge)
	}
	if none := BareNetwork("none"); none.Driver != "null" || none.ID != definition.PredefinedID("none") || len(none.ID) != 64 {
		t.Errorf("none is %+v", none)
	}
}

func TestAttachmentsAreShown(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr("10.5.1.2")
	cfg := record.Config{ID: "0123456789abcdef", Name: "db", Network: network.Config{
		Mode: "web", Attachments: []network.Attachment{
			{Network: "n1", Name: "web", Aliases: []string{"data"}, IP: ip}, {Name: "bridge", Priority: 2, LinkLocal: []netip.Addr{ip}},
		},
	}}
	asked := networkOf(cfg, record.ImageConfig{}, record.State{Status: record.Exited})
	if got := asked.Networks["web"]; got.IPAddress != "" || got.IPAMConfig.IPv4Address != "10.5.1.2" {
		t.Errorf("of one that does not run: %+v", got)
	}
	if got := asked.Networks["bridge"]; !slices.Equal(got.IPAMConfig.LinkLocalIPs, []string{"10.5.1.2"}) {
		t.Errorf("of the bridge: %+v", got.IPAMConfig)
	}
	st := record.State{Status: record.Running, Pid: 7, Network: network.State{Attached: []network.Attached{
		{
			Network: "n1", Name: "web", IP: netip.PrefixFrom(ip, 16), Gateway: netip.MustParseAddr("10.5.0.1"), MAC: "m1",
			IP6: netip.MustParsePrefix("fd00:5::2/64"), Gateway6: netip.MustParseAddr("fd00:5::1"),
		},
		{Name: "bridge", IP: netip.MustParsePrefix("172.30.0.2/16"), MAC: "m2", Bridge: "cove0"},
	}}}
	got := networkOf(cfg, record.ImageConfig{}, st)
	web := got.Networks["web"]
	if web.IPAddress != "10.5.1.2" || web.IPPrefixLen != 16 || web.Gateway != "10.5.0.1" || web.NetworkID != "n1" {
		t.Errorf("web is %+v", web)
	}
	if web.GlobalIPv6Address != "fd00:5::2" || web.GlobalIPv6PrefixLen != 64 || web.IPv6Gateway != "fd00:5::1" {
		t.Errorf("web is %+v", web)
	}
	if diff := cmp.Diff([]string{"db", "data", "0123456789ab"}, web.DNSNames); diff != "" {
		t.Error(diff)
	}
	if b := got.Networks["bridge"]; b.GwPriority != 2 || got.IPAddress != "172.30.0.2" || got.Bridge != "cove0" {
		t.Errorf("bridge is %+v, flat %s", b, got.IPAddress)
	}
}
