// Package bridge is the switch that containers of one network are plugged into.
package bridge

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
	"cove/network/dump"
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

// Ensure finds the bridge of this name, or makes it: with the subnet that is
// preferred if it is free here, or with one that is, and that holds nothing of what
// is to be avoided. It returns the subnet.
func Ensure(
	h *netlink.Handle, name string, prefer netip.Prefix, avoid func() []netip.Prefix,
) (netlink.Link, netip.Prefix, error) {
	link, err := h.LinkByName(name)
	if err == nil && prefer.IsValid() && link.Attrs().Flags&net.FlagUp != 0 {
		return link, prefer, nil
	}
	// Roots have locks of their own, but choose from the same subnets.
	lock, lerr := filelock.Open(context.Background(), globalLock, filelock.Exclusive)
	if lerr != nil {
		return nil, prefer, fmt.Errorf("network: %w", lerr)
	}
	defer filelock.Release(lock)
	if err == nil {
		if subnet := subnetOf(h, link); subnet.IsValid() {
			return link, subnet, h.LinkSetUp(link)
		}
	} else if _, missing := errors.AsType[netlink.LinkNotFoundError](err); !missing {
		return nil, prefer, fmt.Errorf("network: looking for bridge %s: %w", name, err)
	}
	subnet, err := freeSubnet(h, prefer, avoid())
	if err != nil {
		return nil, subnet, err
	}
	link, err = raise(h, Wanted{Name: name, Subnet: subnet, Gateway: subnet.Masked().Addr().Next()}, link)
	return link, subnet, err
}

// Foreseen is the subnet that Ensure would return for a bridge that has none yet; it is
// not valid where the host has none free, or does not say.
func Foreseen(h *netlink.Handle, name string, avoid func() []netip.Prefix) netip.Prefix {
	if link, err := h.LinkByName(name); err == nil {
		if subnet := subnetOf(h, link); subnet.IsValid() {
			return subnet
		}
	}
	subnet, err := freeSubnet(h, netip.Prefix{}, avoid())
	if err != nil {
		return netip.Prefix{}
	}
	return subnet
}

// Wanted is a bridge whose addresses somebody chose.
type Wanted struct {
	Name    string
	Subnet  netip.Prefix
	Gateway netip.Addr
	// Subnet6 and Gateway6 are not valid for a bridge without IPv6.
	Subnet6  netip.Prefix
	Gateway6 netip.Addr
	// MTU is 0 for that of the host's uplink.
	MTU int
	// Alias marks a link that was made here (ip-link(8), ifalias).
	Alias string
}

// EnsureWanted finds the bridge, or makes it: errdefs.ErrConflict when a route of
// this host overlaps its subnet. A link of that name which is a bridge is used as
// it is, with the gateway's address added.
func EnsureWanted(h *netlink.Handle, w Wanted) (netlink.Link, error) {
	link, err := h.LinkByName(w.Name)
	if err == nil && link.Attrs().Alias == w.Alias && link.Attrs().Flags&net.FlagUp != 0 {
		return link, nil
	}
	lock, lerr := filelock.Open(context.Background(), globalLock, filelock.Exclusive)
	if lerr != nil {
		return nil, fmt.Errorf("network: %w", lerr)
	}
	defer filelock.Release(lock)
	if err != nil {
		if _, missing := errors.AsType[netlink.LinkNotFoundError](err); !missing {
			return nil, fmt.Errorf("network: looking for bridge %s: %w", w.Name, err)
		}
		link = nil
		if err := CheckFree(h, w.Subnet, w.Subnet6); err != nil {
			return nil, err
		}
	} else if link.Type() != "bridge" {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "network: link %s of this host is no bridge", w.Name)
	}
	return raise(h, w, link)
}

// CheckFree is errdefs.ErrConflict when a route of this host overlaps one of the
// subnets; those that are not valid are passed over.
func CheckFree(h *netlink.Handle, subnets ...netip.Prefix) error {
	used, err := routed(h)
	if err != nil {
		return err
	}
	for _, u := range used {
		for _, subnet := range subnets {
			if subnet.IsValid() && u.Overlaps(subnet) {
				return errdefs.Errorf(errdefs.ErrConflict,
					"network: subnet %s overlaps the route to %s of this host; choose another", subnet, u)
			}
		}
	}
	return nil
}

// Choose is a subnet that overlaps no route of this host, and nothing used. It looks
// from anywhere on: two roots that make networks at once would else choose one subnet,
// as neither sees the other's before its bridge is up.
func Choose(h *netlink.Handle, used []netip.Prefix) (netip.Prefix, error) {
	routes, err := routed(h)
	if err != nil {
		return netip.Prefix{}, err
	}
	all := subnets()
	from := rand.IntN(len(all))
	return firstFree(slices.Concat(all[from:], all[:from]), append(routes, used...))
}

// ChooseIPv6 is a /64 of unique local addresses that overlaps no route of this host,
// and nothing used. Its 40 bits are drawn, as RFC 4193, section 3.2, asks for.
func ChooseIPv6(h *netlink.Handle, used []netip.Prefix) (netip.Prefix, error) {
	routes, err := routed(h)
	if err != nil {
		return netip.Prefix{}, err
	}
	candidates := make([]netip.Prefix, 16)
	for i := range candidates {
		var a [16]byte
		a[0] = 0xfd
		binary.BigEndian.PutUint64(a[1:], rand.Uint64())
		candidates[i] = netip.PrefixFrom(netip.AddrFrom16(a), 64).Masked()
	}
	return firstFree(candidates, append(routes, used...))
}

const globalLock = "/run/cove-network.lock"

// raise makes the bridge, unless link is it already, and gives it its address.
func raise(h *netlink.Handle, w Wanted, link netlink.Link) (netlink.Link, error) {
	name := w.Name
	if link == nil {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = name, cmp.Or(w.MTU, uplinkMTU(h))
		// A bridge without an address of its own takes its ports' lowest, and
		// every neighbour's cache is wrong when containers come and go.
		attrs.HardwareAddr = MACOf(w.Gateway)
		link = &netlink.Bridge{LinkAttrs: attrs}
		if err := h.LinkAdd(link); err != nil {
			return nil, Denied("making bridge "+name, err)
		}
		if w.Alias != "" {
			if err := h.LinkSetAlias(link, w.Alias); err != nil {
				return nil, Denied("marking bridge "+name, err)
			}
		}
	}
	if err := w.tune(); err != nil {
		return nil, err
	}
	if err := w.address(h, link); err != nil {
		return nil, err
	}
	if err := h.LinkSetUp(link); err != nil {
		return nil, Denied("raising bridge "+name, err)
	}
	if w.Gateway6.IsValid() {
		AwaitAddr(h, w.Gateway6)
	}
	return link, nil
}

// Denied gives a failure its object, and a kind when the kernel did not permit it.
func Denied(what string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
			"network: %s: not permitted; root with CAP_NET_ADMIN is needed", what), errdefs.NoNetwork, "")
	}
	return fmt.Errorf("network: %s: %w", what, err)
}

func subnetOf(h *netlink.Handle, link netlink.Link) netip.Prefix {
	addrs, err := dump.Whole(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_V4) })
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

// freeSubnet is prefer if it collides with no route of this host and with nothing
// to avoid, or the first of subnets that does not.
func freeSubnet(h *netlink.Handle, prefer netip.Prefix, avoid []netip.Prefix) (netip.Prefix, error) {
	used, err := routed(h)
	if err != nil {
		return prefer, err
	}
	return firstFree(append([]netip.Prefix{prefer}, subnets()...), append(used, avoid...))
}

// tune sets what the kernel is to do with the bridge's packets. IPv6 is off without
// addresses of it, and with them nobody on the bridge tells the host of routers.
func (w Wanted) tune() error {
	settings := [][2]string{
		{"ipv6/conf/" + w.Name + "/disable_ipv6", "1"},
		{"ipv4/conf/" + w.Name + "/route_localnet", "1"},
	}
	if w.Subnet6.IsValid() {
		// Its link-local address comes from its own hardware address. While the kernel
		// asks whether others have it, it looks for no neighbour on behalf of others.
		settings = [][2]string{
			{"ipv6/conf/" + w.Name + "/accept_ra", "0"},
			{"ipv6/conf/" + w.Name + "/accept_dad", "0"},
			{"ipv6/conf/" + w.Name + "/disable_ipv6", "0"},
			settings[1],
		}
	}
	for _, s := range settings {
		err := Sysctl(s[0], s[1])
		if errors.Is(err, os.ErrNotExist) {
			if w.Subnet6.IsValid() {
				return errdefs.Errorf(errdefs.ErrUnsupported, "network: bridge %s: this kernel has no IPv6", w.Name)
			}
			continue
		}
		if err != nil {
			return Denied("setting net/"+s[0], err)
		}
	}
	return nil
}

// address gives the bridge its addresses.
func (w Wanted) address(h *netlink.Handle, link netlink.Link) error {
	addrs := []*netlink.Addr{{IPNet: IPNet(w.Gateway, w.Subnet.Bits())}}
	if w.Subnet6.IsValid() {
		// Nobody else has it, so nobody is asked (RFC 4862, section 5.4) and it is
		// there at once.
		addrs = append(addrs, &netlink.Addr{IPNet: IPNet(w.Gateway6, w.Subnet6.Bits()), Flags: unix.IFA_F_NODAD})
	}
	for _, addr := range addrs {
		if err := h.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			return Denied("addressing bridge "+w.Name, err)
		}
	}
	return nil
}

// routed are the subnets that this host has routes to, but the default one.
func routed(h *netlink.Handle) (used []netip.Prefix, err error) {
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return h.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("network: reading routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(r.Dst.IP)
		everyLinks := ip.Is6() && ip.IsLinkLocalUnicast()
		if ones, _ := r.Dst.Mask.Size(); ok && ones > 0 && !everyLinks {
			used = append(used, netip.PrefixFrom(ip.Unmap(), ones))
		}
	}
	return used, nil
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
	return netip.Prefix{}, errdefs.Errorf(errdefs.ErrExhausted,
		"network: no free subnet for the bridge: routes on this host cover them all")
}

// uplinkMTU is that of the link behind the default route, 1500 without one: a
// container that sends larger packets would wait for path MTU discovery.
func uplinkMTU(h *netlink.Handle) int {
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return h.RouteList(nil, netlink.FAMILY_V4) })
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

// AwaitUp waits until links send what they are given. A link whose other end was
// raised learns it from a queue of the kernel's, which a busy machine gets to
// late, and drops everything until then: as the answer to a container's first
// packet, which it then sends again after a second.
func AwaitUp(h *netlink.Handle, names ...string) error {
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

// AwaitAddr waits until an IPv6 address that was given to a link answers for itself.
// The kernel joins the group in which neighbours ask for it (RFC 4861, section 7.2.1)
// from a queue, and who asked before asks again after a second. What is sent to the
// address arrives here when that is done.
func AwaitAddr(h *netlink.Handle, ip netip.Addr) {
	// At worst a question is lost; so this ends well in any case.
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		routes, err := h.RouteGet(ip.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return
		}
	}
}

// MACOf is an address's own hardware address, so that whoever remembers an
// address that was given to another container still reaches it.
func MACOf(ip netip.Addr) net.HardwareAddr {
	a := ip.As4()
	return net.HardwareAddr{0x02, 0x42, a[0], a[1], a[2], a[3]}
}

// IPNet is an address with the length of its network, as netlink has it.
func IPNet(ip netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(bits, ip.BitLen())}
}

const sysctls = "/proc/sys/net/"

// Sysctl sets a key below /proc/sys/net.
func Sysctl(key, value string) error {
	return os.WriteFile(sysctls+key, []byte(value), 0o644)
}

// Delete removes a link, if it has this alias; one that is not there is fine.
func Delete(name, alias string) error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	link, err := host.LinkByName(name)
	if err != nil || link.Attrs().Alias != alias {
		return nil // it is removed with its namespace
	}
	if err := host.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("network: removing %s: %w", name, err)
	}
	return nil
}
