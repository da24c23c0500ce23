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
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"cove/network/bridge"
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
	nl, err := netlink.NewHandleAt(netns.NsHandle(file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("network: opening netlink: %w", err)
	}
	ns := &Namespace{file: file, nl: nl}
	if err := ns.Inside(func() error { _ = withoutIPv6(); return nil }); err != nil {
		ns.Close()
		return nil, fmt.Errorf("network: entering namespace: %w", err)
	}
	return ns, nil
}

// withoutIPv6 is for the namespace of the calling thread. A kernel without IPv6
// needs it not.
func withoutIPv6() error { return bridge.Sysctl("ipv6/conf/default/disable_ipv6", "1") }

// FD is its file descriptor, valid until Close.
func (ns *Namespace) FD() int { return int(ns.file.Fd()) }

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
func (ns *Namespace) Wire(end End, route bool) error { return Wire(ns.nl, end, route) }

// End is a container's end of a connection.
type End struct {
	Interface string
	IP        netip.Prefix
	Gateway   netip.Addr
}

// Wire is the method of a namespace that nl is in.
func Wire(nl *netlink.Handle, at End, route bool) error {
	name := at.Interface
	eth, err := nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("network: finding %s: %w", name, err)
	}
	if err := nl.AddrAdd(eth, &netlink.Addr{IPNet: bridge.IPNet(at.IP.Addr(), at.IP.Bits())}); err != nil {
		return fmt.Errorf("network: addressing %s: %w", name, err)
	}
	if err := nl.LinkSetUp(eth); err != nil {
		return fmt.Errorf("network: raising %s: %w", name, err)
	}
	if !route {
		return nil
	}
	via := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: at.Gateway.AsSlice()}
	if err := nl.RouteAdd(via); err != nil {
		return fmt.Errorf("network: adding the default route: %w", err)
	}
	return nil
}

// Inside runs fn on a thread in the namespace; sockets made there stay there.
func (ns *Namespace) Inside(fn func() error) error {
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
		if err = unix.Setns(ns.FD(), unix.CLONE_NEWNET); err == nil {
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
