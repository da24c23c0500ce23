package audit

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"cove/internal/process"
	"cove/network/ipam"
)

func TestAddressesAndInterfaces(t *testing.T) {
	t.Parallel()
	alive, dead := strings.Repeat("a", 64), strings.Repeat("b", 64)
	pool := &ipam.Pool{Leases: map[string]ipam.Lease{
		alive: {IP: netip.MustParseAddr("10.1.0.2"), Owner: process.Self(), Veth: "vcaaaa"},
		dead:  {IP: netip.MustParseAddr("10.1.0.3"), Owner: "1 1", Veth: "vcbbbb"},
	}}
	var r Report
	r.addresses(segment{name: "web"}, pool, func(string) bool { return true })
	if r.Addrs != 2 || len(r.Orphans) != 1 || !strings.Contains(r.Orphans[0], "10.1.0.3 on network web") {
		t.Errorf("%+v", r)
	}
	r = Report{}
	r.addresses(segment{name: "web"}, pool, func(string) bool { return false })
	if len(r.Orphans) != 2 {
		t.Errorf("without containers: %+v", r)
	}
	port := func(name string) netlink.Link {
		return &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name, MasterIndex: 7, Flags: net.FlagUp}}
	}
	r = Report{}
	r.interfaces(segment{name: "web", bridge: "br"}, pool, []netlink.Link{
		&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br", Index: 7}}, port("vcaaaa"), port("vcbbbb"), port("eth9"),
	})
	if r.Interfaces != 3 || len(r.Orphans) != 1 || !strings.Contains(r.Orphans[0], "vcbbbb") {
		t.Errorf("%+v", r)
	}
}

func TestExamineNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it reads rules")
	}
	t.Parallel()
	r, err := Examine(t.TempDir(), func(string) bool { return false })
	if err != nil || len(r.Orphans) != 0 || r.Rules != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
