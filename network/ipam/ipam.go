// Package ipam gives out the addresses of one subnet, and remembers which
// container has which address and ports: in one locked file, since every
// container is connected by a process of its own.
package ipam

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

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
	// V6 is the IPv6 addresses, of a network that has some.
	V6 Space `json:"v6,omitzero"`
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
	IP6   netip.Addr     `json:"ip6,omitzero"`
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
	// Links are others on this network that it alone has these names for.
	Links []Link `json:"links,omitempty"`
}

// Link is a container that another finds by a name that nobody else has for it.
type Link struct {
	ID    string `json:"id"`
	Name  string `json:"name"` // when they were linked
	Alias string `json:"alias"`
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
// back when fn succeeds. fn may take the directory away: then nothing is written.
func Update(dir string, fn func(*Pool) error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("network: making state directory: %w", err)
	}
	lock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	defer filelock.Release(lock)
	return update(dir, fn)
}

// Change is Update of a pool that is there: one that was never used, or that went with
// its network, also while its lock was waited for, is left alone.
func Change(dir string, fn func(*Pool) error) error {
	if !used(dir) {
		return nil
	}
	lock, err := lock(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	defer filelock.Release(lock)
	if !used(dir) {
		return nil
	}
	return update(dir, fn)
}

func lock(dir string) (*os.File, error) {
	return filelock.Open(context.Background(), filepath.Join(dir, "lock"), filelock.Exclusive)
}

func used(dir string) bool {
	_, err := os.Stat(Path(dir))
	return err == nil
}

// update is for who has the lock.
func update(dir string, fn func(*Pool) error) error {
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
	// The addresses end with this boot, so nothing waits for the disk. They are released when it is full, too.
	err = atomicfile.WriteFull(atomicfile.Host{}, path, data, 0o600, atomicfile.Volatile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is not there after fn: it was taken away
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

// Assign leases an IPv4 address to id: the one wanted, or the next free one behind
// the last assigned, so that an address rests before another container has it.
func (p *Pool) Assign(id string, want netip.Addr) (netip.Addr, error) {
	space := p.v4()
	ip, err := space.assign(p.taken(id, space, Lease.v4), want)
	if err != nil {
		return ip, err
	}
	p.Last = space.Last
	p.Leases[id] = Lease{IP: ip}
	return ip, nil
}

// Assign6 adds an IPv6 address to the lease of id, in the same way.
func (p *Pool) Assign6(id string, want netip.Addr) (netip.Addr, error) {
	ip, err := p.V6.assign(p.taken(id, p.V6, Lease.v6), want)
	if err != nil {
		return ip, err
	}
	l := p.Leases[id]
	l.IP6 = ip
	p.Leases[id] = l
	return ip, nil
}

// Gateway is the bridge's own IPv4 address.
func (p *Pool) Gateway() netip.Addr { return p.v4().Gateway() }

func (p *Pool) v4() Space { return Space{Subnet: p.Subnet, Last: p.Last, Layout: p.Layout} }

// HasFree reports whether an address of each family that the network has is left for
// one that asks for none.
func (p *Pool) HasFree() bool {
	return p.v4().hasFree(p.taken("", p.v4(), Lease.v4)) &&
		(!p.V6.Subnet.IsValid() || p.V6.hasFree(p.taken("", p.V6, Lease.v6)))
}

func (l Lease) v4() netip.Addr { return l.IP }
func (l Lease) v6() netip.Addr { return l.IP6 }

// taken are the addresses of a space that nobody can have, by who has them; id holds
// its own.
func (p *Pool) taken(id string, space Space, addr func(Lease) netip.Addr) map[netip.Addr]string {
	taken := map[netip.Addr]string{space.Gateway(): "the bridge"}
	for _, reserved := range space.Layout.Reserved {
		taken[reserved] = "nobody: it is reserved"
	}
	for holder, l := range p.Leases {
		if a := addr(l); holder != id && a.IsValid() {
			taken[a] = "container " + ids.Short(holder)
		}
	}
	return taken
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

// Target is where a port leads to.
func (l Lease) Target(p publish.Port) netip.AddrPort {
	if p.IPv6() && l.IP6.IsValid() {
		return netip.AddrPortFrom(l.IP6, p.ContainerPort)
	}
	return netip.AddrPortFrom(l.IP, p.ContainerPort)
}
