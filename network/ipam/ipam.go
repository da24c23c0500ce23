// Package ipam gives out the addresses of one subnet, and remembers which
// container has which address and ports: in one locked file, since every
// container is connected by a process of its own.
package ipam

import (
	"context"
	"encoding/binary"
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
	"cove/network/publish"
)

// Pool is the file ipam.json: which container has which address and ports. It
// describes one boot, so it is written atomically but never synced.
type Pool struct {
	Boot   string           `json:"boot"`
	Subnet netip.Prefix     `json:"subnet"`
	Last   netip.Addr       `json:"last"` // the next search starts behind it
	Leases map[string]Lease `json:"leases"`
	Layout Layout           `json:"layout,omitzero"`
}

// Layout is what was decided of a subnet; the zero value leaves it to the pool.
type Layout struct {
	// Gateway is the bridge's own address: the subnet's first when it is not set.
	Gateway netip.Addr `json:"gateway,omitzero"`
	// Range holds the addresses of those that ask for none.
	Range netip.Prefix `json:"range,omitzero"`
	// Reserved are given to nobody.
	Reserved []netip.Addr `json:"reserved,omitempty"`
}

// Lease is what one container holds.
type Lease struct {
	IP    netip.Addr     `json:"ip"`
	Ports []publish.Port `json:"ports,omitempty"`
	// Owner is the process.Identity of who connected the container.
	Owner string `json:"owner"`
	// Veth is the host's end of its connection.
	Veth string `json:"veth,omitempty"`
	// MAC is its hardware address, unless that is the IP address's own.
	MAC string `json:"mac,omitempty"`
	// Name is the container's; Aliases are further ones on this network.
	Name    string   `json:"name,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
}

// Alive reports whether the process that connected the container has not ended.
func (l Lease) Alive() bool {
	_, ok := process.Find(l.Owner)
	return ok
}

// Path is the file of a directory's pool.
func Path(dir string) string { return filepath.Join(dir, "ipam.json") }

// Read is the pool of a directory as it is now: whole, since it is replaced by a
// rename, and for looking at only.
func Read(dir string) (*Pool, error) { return read(Path(dir)) }

// Update runs fn on the pool of a directory under an exclusive lock, and writes it
// back when fn succeeds.
func Update(dir string, fn func(*Pool) error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("network: making state directory: %w", err)
	}
	lock, err := filelock.Open(context.Background(), filepath.Join(dir, "lock"), filelock.Exclusive)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	defer filelock.Release(lock)
	path := Path(dir)
	pool, err := read(path)
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

// read reads the file; one from another boot, or one that a power cut
// emptied, holds nothing that is still true.
func read(path string) (*Pool, error) {
	fresh := &Pool{Boot: ids.Boot(), Leases: map[string]Lease{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("network: reading addresses: %w", err)
	}
	var pool Pool
	if torn := leanjson.Unmarshal(data, &pool) != nil; torn || pool.Boot != fresh.Boot {
		return fresh, nil //nolint:nilerr // a half-written pool is made again
	}
	if pool.Leases == nil {
		pool.Leases = map[string]Lease{}
	}
	return &pool, nil
}

// Gateway is the bridge's own address.
func (p *Pool) Gateway() netip.Addr {
	if p.Layout.Gateway.IsValid() {
		return p.Layout.Gateway
	}
	return p.Subnet.Masked().Addr().Next()
}

// Assign leases an address to id: the one wanted, or the next free one behind
// the last assigned, so that an address rests before another container has it.
func (p *Pool) Assign(id string, want netip.Addr) (netip.Addr, error) {
	taken := map[netip.Addr]string{p.Gateway(): "the bridge"}
	for _, addr := range p.Layout.Reserved {
		taken[addr] = "nobody: it is reserved"
	}
	for holder, l := range p.Leases {
		if holder != id {
			taken[l.IP] = "container " + ids.Short(holder)
		}
	}
	if want.IsValid() {
		if !p.Subnet.Contains(want) || want == p.Subnet.Masked().Addr() || want == broadcast(p.Subnet) {
			return want, errdefs.Errorf(errdefs.ErrInvalid, "network: address %s: not a host of the bridge's subnet %s",
				want, p.Subnet)
		}
		if who, ok := taken[want]; ok {
			return want, errdefs.Errorf(errdefs.ErrConflict, "network: address %s: in use by %s", want, who)
		}
		p.Leases[id] = Lease{IP: want}
		return want, nil
	}
	first, last := p.bounds()
	next := p.Last
	for range len(taken) + 2 {
		if next = next.Next(); !next.IsValid() || next.Less(first) || last.Less(next) {
			next = first
		}
		if _, ok := taken[next]; !ok {
			p.Leases[id], p.Last = Lease{IP: next}, next
			return next, nil
		}
	}
	return netip.Addr{}, errdefs.Errorf(errdefs.ErrExhausted, "network: no free address in %s: %d containers hold them",
		p.Subnet, len(p.Leases))
}

// DropDead removes the leases of containers whose monitor was killed and that
// which reports as wanted, and returns them: what they held is to be released.
func (p *Pool) DropDead(wanted func(Lease) bool) (dead []Lease) {
	for id, l := range p.Leases {
		if wanted(l) && !l.Alive() {
			delete(p.Leases, id)
			dead = append(dead, l)
		}
	}
	return dead
}

// PortHolder names the container that publishes a port overlapping with want.
func (p *Pool) PortHolder(want publish.Port) (string, bool) {
	for id, l := range p.Leases {
		for _, have := range l.Ports {
			if have.Conflicts(want) {
				return id, true
			}
		}
	}
	return "", false
}

// bounds are the first and the last address for those that ask for none.
func (p *Pool) bounds() (first, last netip.Addr) {
	first, last = p.Subnet.Masked().Addr().Next(), broadcast(p.Subnet).Prev()
	if r := p.Layout.Range; r.IsValid() {
		if from := r.Masked().Addr(); first.Less(from) {
			first = from
		}
		if to := broadcast(r); to.Less(last) {
			last = to
		}
	}
	return first, last
}

// HasFree reports whether an address is left for one that asks for none.
func (p *Pool) HasFree() bool {
	first, last := p.bounds()
	taken := map[netip.Addr]bool{p.Gateway(): true}
	for _, addr := range p.Layout.Reserved {
		taken[addr] = true
	}
	for _, l := range p.Leases {
		taken[l.IP] = true
	}
	used := 0
	for addr := range taken {
		if !addr.Less(first) && !last.Less(addr) {
			used++
		}
	}
	return used < number(last)-number(first)+1
}

func number(a netip.Addr) int {
	b := a.As4()
	return int(binary.BigEndian.Uint32(b[:]))
}

func broadcast(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(a)
}
