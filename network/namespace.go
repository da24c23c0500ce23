package network

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/network/bridge"
)

// namespace is a new network namespace and a netlink socket inside it.
type namespace struct {
	file *os.File
	nl   *netlink.Handle
}

// newNamespace makes one on a thread that leaves it again; what it opened
// meanwhile stays inside.
func newNamespace() (*namespace, error) {
	type result struct {
		ns  *namespace
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			done <- result{nil, fmt.Errorf("network: opening own namespace: %w", err)}
			return
		}
		defer home.Close()
		ns, err := unshareNet()
		// Only a thread that is home again may run other goroutines; one that
		// is not ends with this one.
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread()
		}
		done <- result{ns, err}
	}()
	r := <-done
	return r.ns, r.err
}

func unshareNet() (*namespace, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, bridge.Denied("making a namespace", err)
	}
	file, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("network: opening namespace: %w", err)
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("network: opening netlink: %w", err)
	}
	// As docker: what is in a namespace of its own may use low ports and ping
	// without a capability. /proc/sys/net is the reading thread's.
	for _, s := range [][2]string{
		{"ipv4/ip_unprivileged_port_start", "0"},
		{"ipv4/ping_group_range", "0 2147483647"},
		{"ipv6/conf/default/disable_ipv6", "1"},
	} {
		_ = bridge.Sysctl(s[0], s[1]) // a kernel without it needs no setting
	}
	return &namespace{file: file, nl: nl}, nil
}

func (ns *namespace) close() {
	ns.nl.Close()
	ns.file.Close()
}

// wire sets loopback and, when the pair exists, the container's end up.
func (ns *namespace) wire(ip netip.Prefix, gateway netip.Addr) error {
	if err := ns.nl.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1, Name: "lo"}}); err != nil {
		return fmt.Errorf("network: raising loopback: %w", err)
	}
	if !ip.IsValid() {
		return nil
	}
	eth, err := ns.nl.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("network: finding eth0: %w", err)
	}
	if err := ns.nl.AddrAdd(eth, &netlink.Addr{IPNet: bridge.IPNet(ip.Addr(), ip.Bits())}); err != nil {
		return fmt.Errorf("network: addressing eth0: %w", err)
	}
	if err := ns.nl.LinkSetUp(eth); err != nil {
		return fmt.Errorf("network: raising eth0: %w", err)
	}
	route := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: gateway.AsSlice()}
	if err := ns.nl.RouteAdd(route); err != nil {
		return fmt.Errorf("network: adding the default route: %w", err)
	}
	return nil
}
