package bridge

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Port is one container's connection to a bridge.
type Port struct {
	// Veth is the host's end, in the bridge, Inside the container's.
	Veth, Inside string
	MAC          net.HardwareAddr
	// Hairpin is for a container with published ports, see [Hairpin]. Isolated ports
	// exchange nothing with each other, only with the bridge.
	Hairpin, Isolated bool
}

// Plug makes the veth pair of a port, one end in the bridge, the other in the network
// namespace ns.
func Plug(h *netlink.Handle, ns int, to netlink.Link, p Port) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = p.Veth, to.Attrs().MTU, to.Attrs().Index
	attrs.Flags = net.FlagUp
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: p.Inside, PeerHardwareAddr: p.MAC, PeerNamespace: netlink.NsFd(ns),
	}
	err := h.LinkAdd(veth)
	if errors.Is(err, unix.EEXIST) {
		// A predecessor with this ID: its namespace is still being destroyed.
		_ = h.LinkDel(veth) // it may be gone meanwhile
		err = h.LinkAdd(veth)
	}
	if errors.Is(err, unix.EXFULL) {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"network: bridge %s is full: the kernel allows 1,023 containers on one bridge", to.Attrs().Name)
	}
	if err != nil {
		return Denied("plugging "+p.Veth+" into "+to.Attrs().Name, err)
	}
	if p.Hairpin {
		if err := Hairpin(h, p.Veth); err != nil {
			return err
		}
	}
	if p.Isolated {
		if err := h.LinkSetIsolated(veth, true); err != nil {
			return Denied("isolating "+p.Veth, err)
		}
	}
	return nil
}

// Hairpin has what a container sends to its own published ports come back to where it
// came from: where br_netfilter is loaded (docker does) that is bridged.
func Hairpin(h *netlink.Handle, name string) error {
	veth, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("network: finding %s: %w", name, err)
	}
	if err := h.LinkSetHairpin(veth, true); err != nil {
		return Denied("letting "+name+" reach its own published ports", err)
	}
	return nil
}
