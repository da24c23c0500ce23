// Package devices moves network devices of the host into a container.
package devices

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/dump"
)

// Move moves devices of the host into the network namespace of process
// pid, up and with their permanent global addresses (config-linux.md, "Network
// Devices"). names are those in the namespace by those on the host: empty keeps
// the name, %d has the kernel choose a number. A device that is not there is
// ErrNotFound, a name that is taken ErrExists. They go back, or away, with the
// namespace.
func Move(pid int, names map[string]string) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("network: the namespace of process %d: %w", pid, err)
	}
	defer ns.Close()
	here, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	defer here.Close()
	there, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: the namespace of process %d: %w", pid, err)
	}
	defer there.Close()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		to := cmp.Or(names[name], name)
		if err := moveDevice(here, there, ns, name, to); err != nil {
			return fmt.Errorf("network: moving device %s to the container as %s: %w", name, to, err)
		}
	}
	return nil
}

func moveDevice(here, there *netlink.Handle, ns netns.NsHandle, name, to string) error {
	link, err := here.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return errdefs.Errorf(errdefs.ErrNotFound, "there is no such device on the host")
	}
	if err != nil {
		return err
	}
	addrs, err := dump.Whole(func() ([]netlink.Addr, error) { return here.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("reading its addresses: %w", err)
	}
	if err := free(there, to); err != nil {
		return err
	}
	before, err := dump.Whole(there.LinkList)
	if err != nil {
		return err
	}
	if err := here.LinkSetDown(link); err != nil { // a device that is up cannot be renamed
		return fmt.Errorf("taking it down: %w", err)
	}
	if err := sendDevice(link, ns, to); err != nil {
		return err
	}
	moved, err := added(there, before)
	if err != nil {
		return err
	}
	if err := there.LinkSetUp(moved); err != nil {
		return fmt.Errorf("bringing it up: %w", err)
	}
	for i := range addrs {
		if err := giveAddress(there, moved, addrs[i]); err != nil {
			return err
		}
	}
	return nil
}

// free is an error if a name is taken; one with a template is never.
func free(there *netlink.Handle, name string) error {
	if strings.Contains(name, "%d") {
		return nil
	}
	_, err := there.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil
	}
	if err == nil {
		err = errdefs.Errorf(errdefs.ErrExists, "the container has a device of that name")
	}
	return err
}

// sendDevice moves and renames in one request, since the device may have a name
// that is taken on the other side.
func sendDevice(link netlink.Link, ns netns.NsHandle, to string) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link.Attrs().Index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns))))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(to)))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// added is the device that was not among those before: its number may be another
// here than it was on the host, and its name is the kernel's to choose.
func added(there *netlink.Handle, before []netlink.Link) (netlink.Link, error) {
	now, err := dump.Whole(there.LinkList)
	if err != nil {
		return nil, err
	}
	for _, l := range now {
		known := func(b netlink.Link) bool { return b.Attrs().Index == l.Attrs().Index }
		if !slices.ContainsFunc(before, known) {
			return l, nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "it did not arrive")
}

// giveAddress restores an address that moving took, if it was meant to last.
func giveAddress(there *netlink.Handle, link netlink.Link, a netlink.Addr) error {
	if a.Flags&unix.IFA_F_PERMANENT == 0 || a.Scope != unix.RT_SCOPE_UNIVERSE {
		return nil
	}
	again := &netlink.Addr{IPNet: a.IPNet, Peer: a.Peer, Broadcast: a.Broadcast, Flags: a.Flags &^ unix.IFA_F_PERMANENT}
	if err := there.AddrAdd(link, again); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("restoring its address %s: %w", a.IPNet, err)
	}
	return nil
}
