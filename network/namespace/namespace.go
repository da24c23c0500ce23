// Package namespace makes the network namespace of a container, and sets up what is
// in it.
package namespace

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/network/bridge"
	"cove/network/dump"
	"cove/network/ends"
)

// Namespace is a new network namespace and a netlink socket inside it.
type Namespace struct {
	file *os.File
	nl   *netlink.Handle
}

// New makes one on a thread that leaves it again; what it opened
// meanwhile stays inside.
func New() (*Namespace, error) {
	type result struct {
		ns  *Namespace
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

func unshareNet() (*Namespace, error) {
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
	} {
		_ = bridge.Sysctl(s[0], s[1]) // a kernel without it needs no setting
	}
	_ = withoutIPv6()
	return &Namespace{file: file, nl: nl}, nil
}

// Of opens the namespace that a process made for itself, as one in a user
// namespace must, which else would not own it.
func Of(pid int) (*Namespace, error) {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		return nil, fmt.Errorf("network: opening namespace: %w", err)
	}
	ns := &Namespace{file: file}
	// Without root no thread comes home from there: netlink's own way to open a handle
	// in a namespace would leave one in it, for others to run on.
	err = ns.Inside(func() (err error) {
		_ = withoutIPv6()
		ns.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("network: entering namespace: %w", err)
	}
	return ns, nil
}

// withoutIPv6 is for the namespace of the calling thread. A kernel without IPv6
// needs it not.
func withoutIPv6() error { return bridge.Sysctl("ipv6/conf/default/disable_ipv6", "1") }

// FD is its file descriptor, valid until Close.
func (ns *Namespace) FD() int { return int(ns.file.Fd()) }

// File is it, open, until Close.
func (ns *Namespace) File() *os.File { return ns.file }

// Address is the first IPv4 address of an interface inside, and the gateway of the
// default route.
func (ns *Namespace) Address(name string) (at End, mac string, err error) {
	at.Interface = name
	link, err := ns.nl.LinkByName(name)
	if err != nil {
		return at, "", fmt.Errorf("network: finding %s: %w", name, err)
	}
	addrs, err := dump.Whole(func() ([]netlink.Addr, error) { return ns.nl.AddrList(link, unix.AF_INET) })
	if err != nil {
		return at, "", fmt.Errorf("network: reading the addresses of %s: %w", name, err)
	}
	if len(addrs) > 0 {
		addr, _ := netip.AddrFromSlice(addrs[0].IP.To4())
		bits, _ := addrs[0].Mask.Size()
		at.IP = netip.PrefixFrom(addr, bits)
	}
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return ns.nl.RouteList(link, unix.AF_INET) })
	if err != nil {
		return at, "", fmt.Errorf("network: reading the routes of %s: %w", name, err)
	}
	for _, r := range routes {
		if gateway, ok := netip.AddrFromSlice(r.Gw.To4()); ok {
			at.Gateway = gateway
		}
	}
	return at, link.Attrs().HardwareAddr.String(), nil
}

// WithIPv6 lets interfaces that are made inside have IPv6.
func (ns *Namespace) WithIPv6() error {
	return ns.Inside(func() error { return bridge.Sysctl("ipv6/conf/default/disable_ipv6", "0") })
}

// Ours reports whether this process may set up the network namespace that it is in:
// whoever is root in a user namespace alone has no say in the host's.
func Ours() bool {
	network, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true // whoever tries is told why not
	}
	defer unix.Close(network)
	owner, err := unix.IoctlRetInt(network, unix.NS_GET_USERNS)
	if err != nil {
		return err != unix.EPERM // the owner is out of sight: a namespace above
	}
	defer unix.Close(owner)
	var theirs, ours unix.Stat_t
	if unix.Fstat(owner, &theirs) != nil || unix.Stat("/proc/thread-self/ns/user", &ours) != nil {
		return true
	}
	return theirs.Dev == ours.Dev && theirs.Ino == ours.Ino
}

// Path is where other processes open it.
func (ns *Namespace) Path() string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(ns.FD())
}

// Close lets it go; it lives on with the processes and sockets in it.
func (ns *Namespace) Close() {
	ns.nl.Close()
	ns.file.Close()
}

// RaiseLoopback sets lo up.
func (ns *Namespace) RaiseLoopback() error {
	if err := ns.nl.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1, Name: "lo"}}); err != nil {
		return fmt.Errorf("network: raising loopback: %w", err)
	}
	return nil
}

// Wire sets the container's end up, with the default route when that leads
// through it.
func (ns *Namespace) Wire(end End, route bool) error { return Wire(ns.FD(), ns.nl, end, route) }

// End is a container's end of a connection.
type End struct {
	Interface string
	IP        netip.Prefix
	Gateway   netip.Addr
	// IP6 and Gateway6 are not valid for an end without IPv6.
	IP6      netip.Prefix
	Gateway6 netip.Addr
	// LinkLocal are further addresses, of the link alone.
	LinkLocal []netip.Addr
	// Options are those that package ends reads.
	Options map[string]string
}

// The prefixes of link-local addresses (RFC 3927; RFC 4291, 2.5.6).
const (
	linkLocalBits  = 16
	linkLocalBits6 = 64
)

// addresses are those of an end. Nobody else has them, so that nobody is asked about
// those of IPv6, and they are there at once.
func (e End) addresses() (all []*netlink.Addr, withIPv6 bool) {
	prefixes := []netip.Prefix{e.IP}
	if e.IP6.IsValid() {
		prefixes = append(prefixes, e.IP6)
	}
	for _, a := range e.LinkLocal {
		bits := linkLocalBits
		if a.Is6() {
			bits = linkLocalBits6
		}
		prefixes = append(prefixes, netip.PrefixFrom(a, bits))
	}
	for _, p := range prefixes {
		addr := &netlink.Addr{IPNet: bridge.IPNet(p.Addr(), p.Bits())}
		switch {
		case p.Addr().Is6():
			addr.Flags, withIPv6 = unix.IFA_F_NODAD, true
		case p.Addr().IsLinkLocalUnicast():
			addr.Scope = unix.RT_SCOPE_LINK // never the source of what leaves the link
		}
		all = append(all, addr)
	}
	return all, withIPv6
}

// Wire is the method of a namespace that a descriptor is of, and nl in.
func Wire(ns int, nl *netlink.Handle, at End, route bool) error {
	name := at.Interface
	eth, err := nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("network: finding %s: %w", name, err)
	}
	addrs, six := at.addresses()
	if six {
		if err := inside(ns, func() error { return withIPv6(name) }); err != nil {
			return bridge.Denied("enabling IPv6 on "+name, err)
		}
	}
	for _, addr := range addrs {
		if err := nl.AddrAdd(eth, addr); err != nil {
			return fmt.Errorf("network: addressing %s: %w", name, err)
		}
	}
	if err := nl.LinkSetUp(eth); err != nil {
		return fmt.Errorf("network: raising %s: %w", name, err)
	}
	if at.IP6.IsValid() {
		if err := bridge.AwaitUp(nl, name); err != nil {
			return err
		}
		bridge.AwaitAddr(nl, at.IP6.Addr())
	}
	err = ends.Settle(at.Options, name, func(fn func() error) error { return inside(ns, fn) })
	if err != nil || !route {
		return err
	}
	for _, r := range at.DefaultRoutes(eth) {
		if err := nl.RouteAdd(r); err != nil {
			return fmt.Errorf("network: adding the default route: %w", err)
		}
	}
	return nil
}

// DefaultRoutes are those of each family of an end, whose link is given: through its
// gateway, or, where it has none, straight out.
func (e End) DefaultRoutes(link netlink.Link) (routes []*netlink.Route) {
	for _, of := range []struct {
		ip      netip.Prefix
		gateway netip.Addr
	}{{e.IP, e.Gateway}, {e.IP6, e.Gateway6}} {
		r := &netlink.Route{LinkIndex: link.Attrs().Index}
		switch {
		case !of.ip.IsValid():
			continue
		case of.gateway.IsValid():
			r.Gw = of.gateway.AsSlice()
		case of.ip.Addr().Is6():
			r.Dst = bridge.IPNet(netip.IPv6Unspecified(), 0)
		default:
			r.Dst, r.Scope = bridge.IPNet(netip.IPv4Unspecified(), 0), netlink.SCOPE_LINK
		}
		routes = append(routes, r)
	}
	return routes
}

// withIPv6 is for an interface in the namespace of the calling thread. Its addresses
// are those that it is given: it takes none that others on the link tell of (RFC 4862).
func withIPv6(name string) error {
	for _, s := range [][2]string{{"accept_ra", "0"}, {"autoconf", "0"}, {"accept_dad", "0"}, {"disable_ipv6", "0"}} {
		if err := bridge.Sysctl("ipv6/conf/"+name+"/"+s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

// Inside runs fn on a thread in the namespace; sockets made there stay there.
func (ns *Namespace) Inside(fn func() error) error { return inside(ns.FD(), fn) }

func inside(ns int, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		defer home.Close()
		if err = unix.Setns(ns, unix.CLONE_NEWNET); err == nil {
			err = fn()
		}
		// A thread that is not home again ends with this goroutine.
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
