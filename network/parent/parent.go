// Package parent is the link of the host's that containers of a macvlan or ipvlan
// network share: each has an interface of its own on it, with an address of the network
// that the parent is on. No packet of theirs passes the host's rules.
package parent

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/bridge"
)

// Wanted is the parent of a network.
type Wanted struct {
	Name string
	// Dummy makes it when it is not there, a link that leads nowhere; NAME.VLAN is made
	// too, of the link NAME.
	Dummy bool
	// MTU is that of a dummy; 0 is the kernel's.
	MTU int
	// Alias marks a link that was made here.
	Alias string
}

// maxVLAN is the greatest number of a VLAN (IEEE 802.1Q).
const maxVLAN = 4094

// Ensure finds the parent, or makes it. What is not there and cannot be made is
// errdefs.ErrNotFound.
func Ensure(h *netlink.Handle, w Wanted) (netlink.Link, error) {
	link, err := h.LinkByName(w.Name)
	if err == nil {
		if link.Attrs().Flags&net.FlagLoopback != 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"network: parent %s: the loopback interface can be no parent", w.Name)
		}
		return link, nil
	}
	made, err := w.link(h)
	if err != nil {
		return nil, err
	}
	switch err := h.LinkAdd(made); {
	case errors.Is(err, unix.EOPNOTSUPP):
		module := "8021q"
		if w.Dummy {
			module = "dummy; name one of this host's links by -o parent=LINK"
		}
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"network: making the parent %s: this kernel has no such links (%w); the module is %s", w.Name, err, module)
	case err != nil && !errors.Is(err, unix.EEXIST): // made meanwhile, for another network
		return nil, bridge.Denied("making the parent "+w.Name, err)
	}
	if err := h.LinkSetAlias(made, w.Alias); err != nil {
		return nil, errors.Join(bridge.Denied("naming the parent "+w.Name, err), h.LinkDel(made))
	}
	if err := h.LinkSetUp(made); err != nil {
		return nil, errors.Join(bridge.Denied("raising the parent "+w.Name, err), h.LinkDel(made))
	}
	return h.LinkByName(w.Name)
}

// link is what is to be made.
func (w Wanted) link(h *netlink.Handle) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = w.Name
	if w.Dummy {
		attrs.MTU = w.MTU
		return &netlink.Dummy{LinkAttrs: attrs}, nil
	}
	name, number, ok := vlan(w.Name)
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "network: parent %s: this host has no such link; "+
			"one that is made of another has the other's name and the number of a VLAN, as eth0.10", w.Name)
	}
	base, err := h.LinkByName(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "network: parent %s: this host has no link %s to make it of",
			w.Name, name)
	}
	attrs.ParentIndex = base.Attrs().Index
	return &netlink.Vlan{LinkAttrs: attrs, VlanId: number}, nil
}

// vlan reads NAME.VLAN.
func vlan(parent string) (name string, number int, ok bool) {
	i := strings.LastIndexByte(parent, '.')
	if i <= 0 {
		return "", 0, false
	}
	number, err := strconv.Atoi(parent[i+1:])
	return parent[:i], number, err == nil && number > 0 && number <= maxVLAN
}

// Makes reports whether a parent that is not there can be made.
func (w Wanted) Makes() bool {
	if w.Dummy {
		return true
	}
	name, _, ok := vlan(w.Name)
	if !ok {
		return false
	}
	_, err := net.InterfaceByName(name)
	return err == nil
}

// Release removes a parent that was made here, or has it be another network's, whose
// alias is the heir.
func Release(w Wanted, heir string) error {
	if heir == "" {
		return bridge.Delete(w.Name, w.Alias)
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return bridge.Denied("opening netlink", err)
	}
	defer h.Close()
	link, err := h.LinkByName(w.Name)
	if err != nil || link.Attrs().Alias != w.Alias {
		return nil // it is gone, or somebody else's
	}
	if err := h.LinkSetAlias(link, heir); err != nil {
		return bridge.Denied("naming the parent "+w.Name, err)
	}
	return nil
}

// Child is the interface of one container.
type Child struct {
	Name string
	// MAC is nil for ipvlan, and for passthru, which have the parent's.
	MAC net.HardwareAddr
	// MTU is 0 for the parent's.
	MTU int
	// IPvlan is its driver, else it is macvlan. Mode and Flag are the driver's, in
	// docker's words.
	IPvlan     bool
	Mode, Flag string
}

// Passthru is the mode of macvlan in which one container has its parent alone.
const Passthru = "passthru"

// The modes and flags of the kernel by docker's names; the first is the default.
var (
	macvlanModes = map[string]netlink.MacvlanMode{
		"": netlink.MACVLAN_MODE_BRIDGE, "bridge": netlink.MACVLAN_MODE_BRIDGE, "private": netlink.MACVLAN_MODE_PRIVATE,
		"vepa": netlink.MACVLAN_MODE_VEPA, Passthru: netlink.MACVLAN_MODE_PASSTHRU,
	}
	ipvlanModes = map[string]netlink.IPVlanMode{
		"": netlink.IPVLAN_MODE_L2, "l2": netlink.IPVLAN_MODE_L2, "l3": netlink.IPVLAN_MODE_L3,
		"l3s": netlink.IPVLAN_MODE_L3S,
	}
	ipvlanFlags = map[string]netlink.IPVlanFlag{
		"": netlink.IPVLAN_FLAG_BRIDGE, "bridge": netlink.IPVLAN_FLAG_BRIDGE, "private": netlink.IPVLAN_FLAG_PRIVATE,
		"vepa": netlink.IPVLAN_FLAG_VEPA,
	}
)

// Plug makes the interface of a container in its network namespace ns.
func Plug(h *netlink.Handle, ns int, parent netlink.Link, c Child) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.Namespace = c.Name, parent.Attrs().Index, netlink.NsFd(ns)
	attrs.HardwareAddr, attrs.MTU = c.MAC, c.MTU
	name := parent.Attrs().Name
	if parent.Attrs().Flags&net.FlagUp == 0 {
		return errdefs.Errorf(errdefs.ErrConflict,
			"network: parent %s is down, and so would be its containers; raise it (ip link set %s up)", name, name)
	}
	driver, link := "macvlan", netlink.Link(&netlink.Macvlan{LinkAttrs: attrs, Mode: macvlanModes[c.Mode]})
	if c.IPvlan {
		driver = "ipvlan"
		link = &netlink.IPVlan{LinkAttrs: attrs, Mode: ipvlanModes[c.Mode], Flag: ipvlanFlags[c.Flag]}
	}
	err := h.LinkAdd(link)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"network: this kernel has no %s (%w); it is the module %s", driver, err, driver)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINVAL) && !c.IPvlan:
		return errdefs.Errorf(errdefs.ErrConflict,
			"network: parent %s has no room for %s in mode %s (%w): it is in a bridge, has interfaces of the other driver, "+
				"or one in mode passthru, which has it alone", name, driver, c.mode(), err)
	}
	return bridge.Denied("making "+c.Name+" on the parent "+name+" by "+driver, err)
}

func (c Child) mode() string {
	switch {
	case c.Mode != "":
		return c.Mode
	case c.IPvlan:
		return "l2"
	}
	return "bridge"
}

// Unplug removes the interface of a container, in whose network namespace h is.
func Unplug(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return nil //nolint:nilerr // it is gone
	}
	if err := h.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return bridge.Denied("removing "+name, err)
	}
	return nil
}
