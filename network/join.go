package network

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/bridge"
	"cove/network/ends"
	"cove/network/ipam"
	"cove/network/namespace"
	"cove/network/parent"
)

// Running is a container that runs, whose networks are changed.
type Running struct {
	ID, Name, Hostname string
	// PID is its first process; Owner the process.Identity of its monitor, with
	// which its addresses end.
	PID   int
	Owner string
	// Attached is what it has now.
	Attached []Attached
}

// Join connects a running container to one more network, and returns what it got.
func (n *Network) Join(c Running, at Attachment) (Attached, error) {
	seg, err := n.segmentOf(at.Network)
	if err != nil {
		return Attached{}, err
	}
	var taken []string
	for _, a := range c.Attached {
		taken = append(taken, a.Interface)
	}
	if name := at.Options[ends.Ifname]; slices.Contains(taken, name) {
		return Attached{}, errdefs.Errorf(errdefs.ErrConflict,
			"network %s: the container has an interface %s already: choose another %s", at.Name, name, ends.Ifname)
	}
	l := newLink(c, seg, at, freeNumber(c.ID, c.Attached), taken)
	host, inside, ns, err := handles(c.PID)
	if err != nil {
		return Attached{}, err
	}
	defer host.Close()
	defer inside.Close()
	defer ns.Close()
	if err := l.forward(); err != nil {
		return Attached{}, err
	}
	if _, err := l.lease(host, c.Owner); err != nil {
		return Attached{}, err
	}
	err = l.plug(host, int(ns))
	if err == nil {
		err = namespace.Wire(int(ns), inside, l.got.end(), false)
	}
	if err == nil && !seg.Def.Internal {
		err = ensureDefaultRoute(inside, l.got)
	}
	if err != nil {
		return Attached{}, errors.Join(err, l.got.unplug(inside), seg.Release(c.ID, c.Owner))
	}
	if l.got.Veth == "" {
		return l.got, nil
	}
	return l.got, bridge.AwaitUp(host, l.got.Veth, l.got.Bridge)
}

// forward has the host pass the packets of a link's network on.
func (l *link) forward() error {
	if l.seg.Def.OnParent() {
		return nil
	}
	return bridge.EnableForwarding(l.seg.Def.HasIPv6())
}

// unplug removes the interface.
func (a Attached) unplug(inside *netlink.Handle) error {
	if a.Veth == "" {
		return parent.Unplug(inside, a.Interface)
	}
	return bridge.Delete(a.Veth, "")
}

// freeNumber is the first that no connection of the container has.
func freeNumber(id string, have []Attached) int {
	for i := 0; ; i++ {
		if veth := hostEnd(id, i); !slices.ContainsFunc(have, func(a Attached) bool { return a.Veth == veth }) {
			return i
		}
	}
}

func handles(pid int) (host, inside *netlink.Handle, ns netns.NsHandle, err error) {
	if ns, err = netns.GetFromPid(pid); err != nil {
		return nil, nil, ns, fmt.Errorf("network: the namespace of process %d: %w", pid, err)
	}
	if inside, err = netlink.NewHandleAt(ns, unix.NETLINK_ROUTE); err == nil {
		if host, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			inside.Close()
		}
	}
	if err != nil {
		ns.Close()
		return nil, nil, ns, fmt.Errorf("network: opening netlink: %w", err)
	}
	return host, inside, ns, nil
}

// ensureDefaultRoute leads it through a network, unless it leads somewhere.
func ensureDefaultRoute(inside *netlink.Handle, at Attached) error {
	eth, err := inside.LinkByName(at.Interface)
	if err != nil {
		return fmt.Errorf("network: finding %s: %w", at.Interface, err)
	}
	for _, route := range at.end().DefaultRoutes(eth) {
		err = inside.RouteAdd(route)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("network: adding the default route: %w", err)
		}
	}
	return nil
}

// Leave disconnects a running container from a network. When the default route
// went with it, it leads through another of those that remain.
func (n *Network) Leave(c Running, from Attached) error {
	seg, err := n.segmentOf(from.Network)
	if err != nil {
		return err
	}
	pool, err := ipam.Read(seg.Dir)
	if err != nil {
		return err
	}
	if len(pool.Leases[c.ID].Ports) > 0 {
		return errdefs.Errorf(errdefs.ErrConflict,
			"network %s: container %s publishes its ports through it; stop it first", from.Name, c.Name)
	}
	host, inside, ns, err := handles(c.PID)
	if err != nil {
		return err
	}
	defer host.Close()
	defer inside.Close()
	defer ns.Close()
	if err := errors.Join(from.unplug(inside), seg.Release(c.ID, "")); err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(c.Attached), func(a Attached) bool { return a.Network == from.Network })
	slices.SortFunc(rest, func(a, b Attached) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range rest {
		other, err := n.segmentOf(a.Network)
		if err != nil {
			return err
		}
		if !other.Def.Internal {
			return ensureDefaultRoute(inside, a)
		}
	}
	return nil
}
