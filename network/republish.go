package network

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/process"
	"cove/network/bridge"
	"cove/network/held"
	"cove/network/ipam"
	"cove/network/publish"
	"cove/network/segment"
)

// Republish has a running container publish these ports and no others. Those that it
// publishes already go on without a gap. When one cannot be had, those that there were
// stay. errdefs.ErrConflict for a port in use, errdefs.ErrUnsupported without a bridge.
func (e *Endpoint) Republish(asked []publish.Port) error {
	for _, p := range asked {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	out, err := e.publishing(asked)
	if out == nil || err != nil {
		return err
	}
	want := *out
	want.asked = nil
	want.publish(asked)
	if err := e.net.evictElsewhere(&want); err != nil {
		return err
	}
	err = ipam.Update(out.seg.Dir, func(pool *ipam.Pool) error {
		lease, ok := pool.Leases[e.id]
		if !ok || lease.Owner != process.Self() {
			return errdefs.Errorf(errdefs.ErrConflict,
				"network %s: the container is not on it any more, and publishes through it; start it again", out.at.Name)
		}
		return e.republish(&want, pool, lease)
	})
	out.asked, out.ports = want.asked, e.State.Ports
	if len(e.State.Ports) == 0 {
		return err
	}
	return errors.Join(err, out.letReachItself())
}

// publishing is the link through which a running container publishes; nil when there is
// none and nothing to be published.
func (e *Endpoint) publishing(asked []publish.Port) (*link, error) {
	out := (*link)(nil)
	if e.net != nil {
		out = e.publisher()
	}
	switch {
	case out != nil:
		return out, nil
	case len(asked) == 0 && e.user == nil:
		return nil, nil //nolint:nilnil // as said above
	case e.user != nil:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "network: without root the ports of a container that runs stay "+
			"what they are: the program that carries them is told when it starts; stop the container first")
	case e.net == nil:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: the container has no bridge", asked[0])
	}
	return nil, e.nowhere(asked[0])
}

// nowhere says why none of the networks publishes a port.
func (e *Endpoint) nowhere(p publish.Port) error {
	if l := e.outward(); l != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: a container on the %s network %s is reached "+
			"at its own address, without a port of this host", p, l.seg.Def.Kind(), l.at.Name)
	}
	return errdefs.Errorf(errdefs.ErrInvalid,
		"network: publishing %s: its networks are internal, which nothing from outside reaches", p)
}

// republish changes sockets, rules and lease to what is wanted.
func (e *Endpoint) republish(want *link, pool *ipam.Pool, lease ipam.Lease) error {
	rules := want.seg.Rules(pool)
	evicted, err := evict(rules, pool, want)
	if err != nil {
		return err
	}
	kept, missing := held.Split(e.listeners, want.asked)
	dropped := held.Without(e.listeners, kept)
	held.Close(dropped) // before others are had, which may be of the same number
	e.listeners = kept
	for _, group := range missing {
		got, rerr := held.Reserve(pool, group, evicted)
		if rerr != nil {
			err = rerr
			break
		}
		e.listeners = append(e.listeners, got...)
	}
	if err != nil {
		held.Close(e.listeners[len(kept):])
		again, aerr := held.Again(dropped)
		e.listeners, err = append(kept, again...), errors.Join(err, aerr)
	}
	return errors.Join(err, e.recordPublished(rules, pool, lease))
}

// recordPublished has rules, lease and state say what the sockets are.
func (e *Endpoint) recordPublished(rules segment.Rules, pool *ipam.Pool, lease ipam.Lease) error {
	var ports []publish.Port
	for i, l := range e.listeners {
		ports = append(ports, l.Port)
		e.listeners[i].To = lease.Target(l.Port)
	}
	less, more := lease, lease
	less.Ports, more.Ports = without(lease.Ports, ports), without(ports, lease.Ports)
	err := errors.Join(rules.Unpublish(less), rules.Publish(more), held.Carry(e.listeners, lease.IP6.IsValid()))
	lease.Ports = ports
	pool.Leases[e.id], e.State.Ports = lease, ports
	return err
}

func without(all, those []publish.Port) []publish.Port {
	return slices.DeleteFunc(slices.Clone(all), func(p publish.Port) bool { return slices.Contains(those, p) })
}

// letReachItself is bridge.Hairpin for a container that had no ports when it was plugged.
func (l *link) letReachItself() error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	return bridge.Hairpin(host, l.got.Veth)
}
