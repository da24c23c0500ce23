package segment

import (
	"errors"
	"net/netip"

	"cove/network/firewall"
	"cove/network/ipam"
	"cove/network/publish"
)

// Rules are the tables of a network: one for each family that it has.
type Rules []*firewall.Table

// Rules are those of the network whose pool is given.
func (s *Segment) Rules(pool *ipam.Pool) Rules {
	if s.Table == "" {
		return nil
	}
	policy := firewall.Policy{Internal: s.Def.Internal, NoMasquerade: s.Set.NoMasquerade, Source: s.Set.Source}
	all := Rules{firewall.New(s.Table, s.Bridge, pool.Subnet).With(policy)}
	if pool.V6.Subnet.IsValid() {
		policy.Source = s.Set.Source6
		all = append(all, firewall.New(s.Table, s.Bridge, pool.V6.Subnet).With(policy))
	}
	return all
}

// Ensure makes the tables that are not there.
func (r Rules) Ensure() error {
	for _, table := range r {
		if err := table.Ensure(); err != nil {
			return err
		}
	}
	return nil
}

// Whole reports whether the kernel has all of them.
func (r Rules) Whole() (bool, error) {
	for _, table := range r {
		if whole, err := table.Whole(); !whole || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Rebuild makes them anew, with the ports of leases.
func (r Rules) Rebuild(leases map[string]ipam.Lease) error {
	for _, table := range r {
		if err := table.Rebuild(); err != nil {
			return err
		}
	}
	for _, l := range leases {
		if err := r.Publish(l); err != nil {
			return err
		}
	}
	return nil
}

// Drop removes them.
func (r Rules) Drop() (err error) {
	for _, table := range r {
		err = errors.Join(err, table.Drop())
	}
	return err
}

// Publish sends the ports of a lease to its addresses.
func (r Rules) Publish(l ipam.Lease) error {
	for _, table := range r {
		if ports, ip := led(table, l); ip.IsValid() {
			if err := table.Publish(ports, ip); err != nil {
				return err
			}
		}
	}
	return nil
}

// Unpublish takes the ports of a lease back.
func (r Rules) Unpublish(l ipam.Lease) (err error) {
	for _, table := range r {
		if ports, ip := led(table, l); ip.IsValid() {
			err = errors.Join(err, table.Unpublish(ports, ip))
		}
	}
	return err
}

// led are the ports that a table leads to an address of a lease.
func led(table *firewall.Table, l ipam.Lease) (ports []publish.Port, to netip.Addr) {
	for _, p := range l.Ports {
		if p.IPv6() == table.IPv6() && !p.CarriedOnly() {
			ports = append(ports, p)
		}
	}
	if table.IPv6() {
		return ports, l.IP6
	}
	return ports, l.IP
}
