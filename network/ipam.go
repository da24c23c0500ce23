package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
	"cove/internal/ids"
	"cove/internal/leanjson"
	"cove/internal/process"
)

// ipam is network/ipam.json: which container has which address and ports. It
// describes one boot, so it is written atomically but never synced.
type ipam struct {
	Boot   string           `json:"boot"`
	Subnet netip.Prefix     `json:"subnet"`
	Last   netip.Addr       `json:"last"` // the next search starts behind it
	Leases map[string]lease `json:"leases"`
}

type lease struct {
	IP    netip.Addr `json:"ip"`
	Ports []Port     `json:"ports,omitempty"`
	// Owner is the process.Identity of who connected the container.
	Owner string `json:"owner"`
}

// alive reports whether the process that connected the container has not ended.
func (l lease) alive() bool {
	_, ok := process.Find(l.Owner)
	return ok
}

// locked runs fn on the file's content under an exclusive lock, and writes it
// back when fn succeeds.
func (n *Network) locked(fn func(*ipam) error) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fmt.Errorf("network: making state directory: %w", err)
	}
	lock, err := filelock.Open(context.Background(), filepath.Join(n.dir, "lock"), filelock.Exclusive)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	defer filelock.Release(lock)
	path := filepath.Join(n.dir, "ipam.json")
	pool, err := readIPAM(path)
	if err != nil {
		return err
	}
	if err := fn(pool); err != nil {
		return err
	}
	data, err := leanjson.Marshal(pool)
	if err != nil {
		return fmt.Errorf("network: encoding addresses: %w", err)
	}
	// The addresses end with this boot, so nothing waits for the disk.
	if err := atomicfile.WriteFile(path, data, 0o600, atomicfile.Volatile); err != nil {
		return fmt.Errorf("network: writing addresses: %w", err)
	}
	return nil
}

// readIPAM reads the file; one from another boot, or one that a power cut
// emptied, holds nothing that is still true.
func readIPAM(path string) (*ipam, error) {
	fresh := &ipam{Boot: ids.Boot(), Leases: map[string]lease{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("network: reading addresses: %w", err)
	}
	var pool ipam
	if torn := leanjson.Unmarshal(data, &pool) != nil; torn || pool.Boot != fresh.Boot {
		return fresh, nil //nolint:nilerr // torn is as good as none
	}
	if pool.Leases == nil {
		pool.Leases = map[string]lease{}
	}
	return &pool, nil
}

// gateway is the bridge's own address, the first of the subnet.
func (p *ipam) gateway() netip.Addr { return p.Subnet.Masked().Addr().Next() }

// assign leases an address to id: the one wanted, or the next free one behind
// the last assigned, so that an address rests before another container has it.
func (p *ipam) assign(id string, want netip.Addr) (netip.Addr, error) {
	taken := map[netip.Addr]string{p.gateway(): "the bridge"}
	for holder, l := range p.Leases {
		if holder != id {
			taken[l.IP] = "container " + short(holder)
		}
	}
	if want.IsValid() {
		if !p.Subnet.Contains(want) || want == p.Subnet.Masked().Addr() || want == broadcast(p.Subnet) {
			return want, errdefs.Errorf(errdefs.ErrInvalid, "network: address %s: not a host of the bridge's subnet %s", want, p.Subnet)
		}
		if who, ok := taken[want]; ok {
			return want, errdefs.Errorf(errdefs.ErrConflict, "network: address %s: in use by %s", want, who)
		}
		p.Leases[id] = lease{IP: want}
		return want, nil
	}
	first, last := p.gateway().Next(), broadcast(p.Subnet).Prev()
	next := p.Last
	for range len(taken) + 2 {
		if next = next.Next(); !next.IsValid() || next.Less(first) || last.Less(next) {
			next = first
		}
		if _, ok := taken[next]; !ok {
			p.Leases[id], p.Last = lease{IP: next}, next
			return next, nil
		}
	}
	return netip.Addr{}, errdefs.Errorf(errdefs.ErrExhausted, "network: no free address in %s: %d containers hold them", p.Subnet, len(p.Leases))
}

// conflicts reports whether two ports cannot both be published.
func (p Port) conflicts(other Port) bool {
	return p.HostPort == other.HostPort && p.proto() == other.proto() &&
		(p.everywhere() || other.everywhere() || p.HostIP == other.HostIP)
}

// dropDead removes the leases of containers whose monitor was killed and that
// which reports as wanted, and returns them: what they held is to be released.
func (p *ipam) dropDead(wanted func(lease) bool) (dead []lease) {
	for id, l := range p.Leases {
		if wanted(l) && !l.alive() {
			delete(p.Leases, id)
			dead = append(dead, l)
		}
	}
	return dead
}

// portHolder names the container that publishes a port overlapping with want.
func (p *ipam) portHolder(want Port) (string, bool) {
	for id, l := range p.Leases {
		for _, have := range l.Ports {
			if have.conflicts(want) {
				return id, true
			}
		}
	}
	return "", false
}

// hasFree reports whether an address is left beside those of the subnet, the
// bridge and the broadcast.
func (p *ipam) hasFree() bool { return len(p.Leases) < 1<<(32-p.Subnet.Bits())-3 }

func broadcast(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(a)
}

func short(id string) string { return id[:min(12, len(id))] }
