package bridge

import (
	"os"
	"strings"

	"cove/network/dump"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// EnableForwarding has the host pass packets between its links, IPv6 too if that is
// asked for.
func EnableForwarding(ipv6 bool) error {
	if err := enable("ipv4/ip_forward", nil); err != nil || !ipv6 {
		return err
	}
	return enable("ipv6/conf/all/forwarding", keepAdvertisements)
}

func enable(key string, before func()) error {
	if now, err := os.ReadFile(sysctls + key); err == nil && len(now) > 0 && now[0] == '1' {
		return nil
	}
	if before != nil {
		before()
	}
	if err := Sysctl(key, "1"); err != nil {
		return Denied("enabling net/"+key, err)
	}
	return nil
}

// keepAdvertisements lets links of the host that learned a route from a router go on
// with it: with 1, a host that forwards listens to none, and is cut off when what it
// learned expires (Linux, ip-sysctl, accept_ra). Other links keep not listening.
func keepAdvertisements() {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return
	}
	defer host.Close()
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return host.RouteList(nil, netlink.FAMILY_V6) })
	if err != nil {
		return
	}
	for _, r := range routes {
		link, err := host.LinkByIndex(r.LinkIndex)
		if err != nil || r.Protocol != unix.RTPROT_RA {
			continue
		}
		key := "ipv6/conf/" + link.Attrs().Name + "/accept_ra"
		if now, err := os.ReadFile(sysctls + key); err == nil && strings.TrimSpace(string(now)) == "1" {
			_ = Sysctl(key, "2") // a link that is gone needs none
		}
	}
}
