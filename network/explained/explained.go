// Package explained follows a published port from the host into its container.
package explained

import (
	"net/netip"

	"cove/network/firewall"
	"cove/network/ipam"
	"cove/network/publish"
	"cove/network/segment"
)

// Way is the way of a published port into its container.
type Way struct {
	Port publish.Port
	// Bridge is the link behind which the container is, To its address and port.
	Bridge string
	To     netip.AddrPort
	// Rule leads connections there; Missing says that it should and is not there.
	// A port without either is carried by the container's monitor alone.
	Rule    *firewall.Led
	Missing bool
	// Carried says that the monitor carries connections, or those to ::1.
	Carried bool
	// Holder is the process that holds the port on the host, "" when none does.
	Holder string
	// Others are chains that have a say, too.
	Others []firewall.Asked
	// Listening are the addresses on which something listens in the container.
	Listening []netip.Addr
}

// Reached reports whether something in the container listens where the port leads.
func (e Way) Reached() bool {
	for _, a := range e.Listening {
		if a == e.To.Addr() || a.IsUnspecified() && (a.Is6() || e.To.Addr().Is4()) {
			return true
		}
	}
	return false
}

// Follow follows a published port of a lease to a container, whose first process is given.
func Follow(seg *segment.Segment, pool *ipam.Pool, lease ipam.Lease, p publish.Port, pid int) (e Way, err error) {
	e = Way{
		Port: p, Bridge: seg.Bridge, To: lease.Target(p), Carried: p.Carried(lease.IP6.IsValid()),
		Holder: publish.Listener(p),
	}
	if e.Listening, err = publish.Listening(pid, p.ContainerPort, p.Protocol()); err != nil {
		return e, err
	}
	for _, table := range seg.Rules(pool) {
		if table.IPv6() != p.IPv6() || p.CarriedOnly() {
			continue
		}
		led, there, err := table.Leads(p)
		if err != nil {
			return e, err
		}
		if e.Missing = !there; there {
			e.Rule = &led
		}
		if e.Others, err = table.Others(); err != nil {
			return e, err
		}
	}
	return e, nil
}
