package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
)

// subnets are tried in this order until one overlaps nothing on this host.
func subnets() []netip.Prefix {
	var all []netip.Prefix
	for b := byte(30); b >= 18; b-- {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, b, 0, 0}), 16))
	}
	for b := byte(90); b < 250; b++ {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, b, 0, 0}), 16))
	}
	return all
}

// bridge finds the bridge, or makes it with a subnet that is free here.
func (n *Network) ensureBridge(h *netlink.Handle, pool *ipam) (netlink.Link, error) {
	link, err := h.LinkByName(n.bridge)
	if err == nil && pool.Subnet.IsValid() && link.Attrs().Flags&net.FlagUp != 0 {
		return link, nil
	}
	// Roots have locks of their own, but choose from the same subnets.
	lock, lerr := filelock.Open(context.Background(), globalLock, filelock.Exclusive)
	if lerr != nil {
		return nil, fmt.Errorf("network: %w", lerr)
	}
	defer filelock.Release(lock)
	if err == nil {
		if pool.Subnet = subnetOf(h, link); pool.Subnet.IsValid() {
			return link, h.LinkSetUp(link)
		}
	} else if _, missing := errors.AsType[netlink.LinkNotFoundError](err); !missing {
		return nil, fmt.Errorf("network: looking for bridge %s: %w", n.bridge, err)
	}
	if pool.Subnet, err = freeSubnet(h, pool.Subnet); err != nil {
		return nil, err
	}
	return n.makeBridge(h, pool, link)
}

const globalLock = "/run/cove-network.lock"

func (n *Network) makeBridge(h *netlink.Handle, pool *ipam, link netlink.Link) (netlink.Link, error) {
	if link == nil {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = n.bridge, uplinkMTU(h)
		// A bridge without an address of its own takes its ports' lowest, and
		// every neighbour's cache is wrong when containers come and go.
		attrs.HardwareAddr = macOf(pool.gateway())
		link = &netlink.Bridge{LinkAttrs: attrs}
		if err := h.LinkAdd(link); err != nil {
			return nil, denied("making bridge "+n.bridge, err)
		}
	}
	for _, s := range [][2]string{
		{"ipv6/conf/" + n.bridge + "/disable_ipv6", "1"},
		{"ipv4/conf/" + n.bridge + "/route_localnet", "1"},
	} {
		if err := sysctl(s[0], s[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, denied("setting net/"+s[0], err)
		}
	}
	addr := &netlink.Addr{IPNet: ipnet(pool.gateway(), pool.Subnet.Bits())}
	if err := h.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, denied("addressing bridge "+n.bridge, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return nil, denied("raising bridge "+n.bridge, err)
	}
	return link, nil
}

func denied(what string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
			"network: %s: not permitted; root with CAP_NET_ADMIN is needed", what), errdefs.NoNetwork, "")
	}
	return fmt.Errorf("network: %s: %w", what, err)
}

func subnetOf(h *netlink.Handle, link netlink.Link) netip.Prefix {
	addrs, err := h.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(addrs) == 0 {
		return netip.Prefix{}
	}
	ip, ok := netip.AddrFromSlice(addrs[0].IP.To4())
	ones, _ := addrs[0].Mask.Size()
	if !ok {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(ip, ones).Masked()
}

// freeSubnet is prefer if it collides with no route and no nameserver of this
// host, or the first of subnets that does not.
func freeSubnet(h *netlink.Handle, prefer netip.Prefix) (netip.Prefix, error) {
	routes, err := h.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return prefer, fmt.Errorf("network: reading routes: %w", err)
	}
	var used []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		if ones, _ := r.Dst.Mask.Size(); ok && ones > 0 {
			used = append(used, netip.PrefixFrom(ip, ones))
		}
	}
	if conf, err := os.ReadFile("/etc/resolv.conf"); err == nil {
		for line := range strings.Lines(string(conf)) {
			if addr, ok := nameserver(line); ok {
				used = append(used, netip.PrefixFrom(addr, addr.BitLen()))
			}
		}
	}
	return firstFree(append([]netip.Prefix{prefer}, subnets()...), used)
}

func firstFree(candidates, used []netip.Prefix) (netip.Prefix, error) {
next:
	for _, c := range candidates {
		if !c.IsValid() {
			continue
		}
		for _, u := range used {
			if c.Overlaps(u) {
				continue next
			}
		}
		return c, nil
	}
	return netip.Prefix{}, errdefs.Errorf(errdefs.ErrExhausted, "network: no free subnet for the bridge: routes on this host cover them all")
}

// uplinkMTU is that of the link behind the default route, 1500 without one: a
// container that sends larger packets would wait for path MTU discovery.
func uplinkMTU(h *netlink.Handle) int {
	routes, err := h.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 1500
	}
	for _, r := range routes {
		if r.Dst != nil {
			if ones, _ := r.Dst.Mask.Size(); ones > 0 {
				continue
			}
		}
		if link, err := h.LinkByIndex(r.LinkIndex); err == nil && link.Attrs().MTU > 0 {
			return link.Attrs().MTU
		}
	}
	return 1500
}

// awaitUp waits until links send what they are given. A link whose other end was
// raised learns it from a queue of the kernel's, which a busy machine gets to
// late, and drops everything until then: as the answer to a container's first
// packet, which it then sends again after a second.
func awaitUp(h *netlink.Handle, names ...string) error {
	// At worst that packet is lost; so this ends well in any case.
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		up := 0
		for _, name := range names {
			// From Linux 6.8 on, to ask is to move the link to the queue's head.
			link, err := h.LinkByName(name)
			if err != nil {
				return fmt.Errorf("network: looking for %s: %w", name, err)
			}
			if link.Attrs().OperState == netlink.OperUp {
				up++
			}
		}
		if up == len(names) {
			return nil
		}
	}
	return nil
}

// macOf is an address's own hardware address, so that whoever remembers an
// address that was given to another container still reaches it.
func macOf(ip netip.Addr) net.HardwareAddr {
	a := ip.As4()
	return net.HardwareAddr{0x02, 0x42, a[0], a[1], a[2], a[3]}
}

func ipnet(ip netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(bits, 32)}
}

func sysctl(key, value string) error {
	return os.WriteFile("/proc/sys/net/"+key, []byte(value), 0o644)
}

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
		return nil, denied("making a namespace", err)
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
		_ = sysctl(s[0], s[1]) // a kernel without it needs no setting
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
	if err := ns.nl.AddrAdd(eth, &netlink.Addr{IPNet: ipnet(ip.Addr(), ip.Bits())}); err != nil {
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
