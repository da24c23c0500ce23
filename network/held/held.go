// Package held has the sockets with which published ports of a container are held
// against every other program, and carried where no rule leads them.
package held

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/ipam"
	"cove/network/publish"
	"cove/network/relay"
)

// Socket is one that holds a published port.
type Socket struct {
	fd int
	// Port is what it holds, and asked as it was asked for: any number is 0.
	Port  publish.Port
	asked publish.Port
	// To is the container's address.
	To netip.AddrPort
	// relay carries what no rule leads there; nil when there is nothing such.
	relay *relay.Relay
}

// Close lets the ports go.
func Close(all []Socket) {
	for _, s := range all {
		if s.relay != nil {
			_ = s.relay.Close() // it has nothing to tell of a socket that nobody needs any longer
		}
		unix.Close(s.fd)
	}
}

// Carry begins to carry on what no rule can lead to the container, where that is not
// done yet; toIPv6 says that it has an IPv6 address.
func Carry(all []Socket, toIPv6 bool) error {
	for i, s := range all {
		if s.relay != nil || !s.Port.Carried(toIPv6) {
			continue
		}
		r, err := relay.Serve(s.fd, s.Port.Protocol(), s.To)
		if err != nil {
			return err
		}
		all[i].relay = r
	}
	return nil
}

// Without are the sockets that are not among others.
func Without(all, others []Socket) []Socket {
	return slices.DeleteFunc(slices.Clone(all), func(s Socket) bool {
		return slices.ContainsFunc(others, func(o Socket) bool { return o.fd == s.fd })
	})
}

// Again takes the ports of sockets that were closed.
func Again(closed []Socket) (all []Socket, err error) {
	for _, s := range closed {
		port, fd, err := publish.Reserve(s.Port)
		if err != nil {
			return all, fmt.Errorf("network: publishing %s again: %w", s.Port, err)
		}
		all = append(all, Socket{fd: fd, Port: port, asked: s.asked})
	}
	return all, nil
}

// Split finds the sockets of ports that are asked for as before, and which have none.
func Split(have []Socket, asked [][]publish.Port) (kept []Socket, missing [][]publish.Port) {
	free := slices.Clone(have)
	for _, group := range asked {
		var found []Socket
		for _, p := range group {
			i := slices.IndexFunc(free, func(s Socket) bool { return s.asked == p })
			if i < 0 {
				break
			}
			found = append(found, free[i])
			free = slices.Delete(free, i, i+1)
		}
		if len(found) == len(group) {
			kept = append(kept, found...)
			continue
		}
		free, missing = append(free, found...), append(missing, group)
	}
	return kept, missing
}

// Reserve takes ports of the host that have one number, which is chosen for the first
// when none was asked for: then another is tried if a later one has not got it. Of a
// range it is the first that is free.
func Reserve(pool *ipam.Pool, asked []publish.Port, evicted bool) ([]Socket, error) {
	first := asked[0]
	for n := int(first.HostPort); n < int(first.HostLast); n++ {
		got, _, err := reserveOnce(numbered(asked, uint16(n)), false)
		if err == nil {
			for i := range got {
				got[i].asked = asked[i]
			}
			return got, nil
		}
		Close(got)
		if !errors.Is(err, unix.EADDRINUSE) {
			break // and the last number says why
		}
	}
	if first.HostLast > first.HostPort {
		got, err := Reserve(pool, numbered(asked, first.HostLast), evicted)
		for i := range got {
			got[i].asked = asked[i]
		}
		return got, err
	}
	for tries := 0; ; tries++ {
		got, taken, err := reserveOnce(asked, evicted)
		if err == nil {
			return got, nil
		}
		Close(got)
		chosen := asked[0].HostPort == 0 && len(got) > 0
		if !chosen || !errors.Is(err, unix.EADDRINUSE) || tries == maxTries {
			return nil, explain(pool, taken, err)
		}
	}
}

func numbered(asked []publish.Port, n uint16) []publish.Port {
	one := slices.Clone(asked)
	for i := range one {
		one[i].HostPort, one[i].HostLast = n, 0
	}
	return one
}

// maxTries is how many numbers are tried that two families can have.
const maxTries = 32

// reserveOnce tells with an error which port it is of.
func reserveOnce(asked []publish.Port, evicted bool) (got []Socket, failed publish.Port, err error) {
	for _, p := range asked {
		wanted := p
		if len(got) > 0 {
			p.HostPort = got[0].Port.HostPort
		}
		have, fd, err := publish.Reserve(p)
		for end := time.Now().Add(dying); evicted && errors.Is(err, unix.EADDRINUSE) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
			have, fd, err = publish.Reserve(p)
		}
		if err != nil {
			return got, p, err
		}
		got = append(got, Socket{fd: fd, Port: have, asked: wanted})
	}
	return got, failed, nil
}

// dying is how long the sockets of a process that was killed may outlive it.
const dying = time.Second

// explain turns the failure to reserve a port into one that names who has it.
func explain(pool *ipam.Pool, port publish.Port, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		who := "another program"
		if id, ok := pool.PortHolder(port); ok {
			who = "container " + ids.Short(id)
		} else if name := publish.Listener(port); name != "" {
			who = name
		}
		return errdefs.Errorf(errdefs.ErrConflict,
			"network: publishing %s: port is already allocated: it is in use by %s; choose another, or stop it", port, who)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: %s is not an address of this host", port,
			port.Addr())
	}
	return fmt.Errorf("network: publishing %s: %w", port, err)
}
