package segment

import (
	"errors"
	"fmt"
	"net"
	"sort"

	"cove/internal/atomicfile"
	"cove/internal/ids"
	"cove/network/bridge"
	"cove/network/ipam"
)

// Release frees what a container holds that owner holds, or anybody when it is "".
func (s *Segment) Release(id, owner string) error {
	return ipam.Change(s.Dir, func(pool *ipam.Pool) error {
		l, ok := pool.Leases[id]
		if !ok || owner != "" && l.Owner != owner {
			return nil
		}
		delete(pool.Leases, id)
		if len(pool.Leases) == 0 {
			return s.Drop(pool)
		}
		return s.Rules(pool).Unpublish(l)
	})
}

// Clean releases the leases and interfaces of containers whose monitor is gone, and,
// when none is left, removes the table, and the bridge if nobody made the network. It
// tells what it removed.
func (s *Segment) Clean() (removed []string, err error) {
	veths := map[string][]string{}
	idle := false
	err = ipam.Change(s.Dir, func(pool *ipam.Pool) error {
		if err := atomicfile.RemoveTemps(s.Dir); err != nil { // who writes has the lock
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
		err := s.Release(id, "")
		for _, veth := range veths[id] {
			if veth != "" {
				err = errors.Join(err, bridge.Delete(veth, ""))
			}
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

func (s *Segment) removeBridge() (removed []string, err error) {
	if _, err := net.InterfaceByName(s.Bridge); err != nil || s.Named() {
		return nil, nil //nolint:nilerr // no bridge, or one that stays: nothing to do
	}
	err = ipam.Change(s.Dir, func(pool *ipam.Pool) error {
		if len(pool.Leases) > 0 {
			return nil // a container came in between
		}
		removed = []string{"bridge " + s.Bridge}
		return errors.Join(s.Rules(pool).Drop(), s.Lower())
	})
	return removed, err
}
