package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sort"

	"cove/internal/atomicfile"
	"cove/internal/ids"
	"cove/network/ipam"
)

// Release frees the addresses and ports of a container whose monitor may be gone.
// With the last container of a network goes its firewall table, and the bridge
// unless it is the default root's.
func (n *Network) Release(id string) error { return n.release(id, "") }

// release is Release of the leases that owner holds, or anybody when it is "".
func (n *Network) release(id, owner string) error {
	all, err := n.segments()
	for _, seg := range all {
		err = errors.Join(err, seg.release(id, owner))
	}
	return err
}

// releaseNamed is release on the networks that somebody made.
func (n *Network) releaseNamed(id, owner string) error {
	all, err := n.segments()
	for _, seg := range all {
		if seg.named() {
			err = errors.Join(err, seg.release(id, owner))
		}
	}
	return err
}

func (s *segment) release(id, owner string) error {
	if _, err := os.Stat(ipam.Path(s.dir)); err != nil {
		return nil //nolint:nilerr // never used
	}
	return ipam.Update(s.dir, func(pool *ipam.Pool) error {
		l, ok := pool.Leases[id]
		if !ok || owner != "" && l.Owner != owner {
			return nil
		}
		delete(pool.Leases, id)
		if len(pool.Leases) == 0 {
			return s.drop(pool.Subnet)
		}
		return s.firewall(pool.Subnet).Unpublish(l.Ports, l.IP)
	})
}

// Clean releases the leases and interfaces of containers whose monitor is gone,
// and, when none is left, removes bridges and tables. It tells what it removed.
func (n *Network) Clean() ([]string, error) {
	all, err := n.segments()
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, seg := range all {
		gone, err := seg.clean()
		removed = append(removed, gone...)
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (s *segment) clean() (removed []string, err error) {
	if _, err := os.Stat(ipam.Path(s.dir)); err != nil {
		return nil, nil //nolint:nilerr // never used
	}
	veths := map[string][]string{}
	idle := false
	err = ipam.Update(s.dir, func(pool *ipam.Pool) error {
		if err := atomicfile.RemoveTemps(s.dir); err != nil { // who writes has the lock
			return fmt.Errorf("network: %w", err)
		}
		for id, l := range pool.Leases {
			if !l.Alive() {
				veths[id] = append(veths[id], l.Veth)
			}
		}
		idle = len(veths) == len(pool.Leases)
		return nil
	})
	if err != nil {
		return nil, err
	}
	dead := make([]string, 0, len(veths))
	for id := range veths {
		dead = append(dead, id)
	}
	sort.Strings(dead)
	for _, id := range dead {
		err := s.release(id, "")
		for _, veth := range veths[id] {
			err = errors.Join(err, deleteLink(veth, ""))
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, "network lease of container "+ids.Short(id))
	}
	if !idle {
		return removed, nil
	}
	gone, err := s.removeBridge()
	return append(removed, gone...), err
}

func (s *segment) removeBridge() (removed []string, err error) {
	if _, err := net.InterfaceByName(s.bridge); err != nil {
		return nil, nil //nolint:nilerr // no bridge, nothing to do
	}
	err = ipam.Update(s.dir, func(pool *ipam.Pool) error {
		if len(pool.Leases) > 0 {
			return nil // a container came in between
		}
		removed = []string{"bridge " + s.bridge}
		return errors.Join(s.firewall(pool.Subnet).Drop(), deleteLink(s.bridge, s.alias()))
	})
	return removed, err
}
