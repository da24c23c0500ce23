// Package definition keeps what people said of the networks they made: one
// directory of each, <root>/network/named/<id>, which holds network.json and,
// while containers are on the network, the pool of its addresses.
package definition

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/events"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
	"cove/internal/ids"
	"cove/internal/leanjson"
)

// Network is one network that somebody made: a bridge of its own.
type Network struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// Driver is one of the drivers; "" is DriverBridge.
	Driver string `json:"driver,omitempty"`
	// Subnet is IPv4. Gateway is the bridge's own address; Range, when it is set,
	// holds the addresses that are given to containers which ask for none. So it is
	// with those of V6.
	Subnet  netip.Prefix `json:"subnet"`
	Gateway netip.Addr   `json:"gateway"`
	Range   netip.Prefix `json:"range,omitzero"`
	// IPv6 asks for IPv6 addresses, which are V6.
	IPv6 bool  `json:"ipv6,omitempty"`
	V6   Space `json:"v6,omitzero"`
	// Internal has no way out, and no way in.
	Internal bool `json:"internal,omitempty"`
	// Attachable is docker's word for networks of a swarm, and only told here.
	Attachable bool              `json:"attachable,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	// Options are docker's, as they were given; Settings is what they mean.
	Options map[string]string `json:"options,omitempty"`
	// Reserved are addresses that no container gets, by what they are for.
	Reserved map[string]netip.Addr `json:"reserved,omitempty"`
	// Broken is why only the ID is known. Only Every sets it.
	Broken error `json:"-"`
}

// Space is the addresses of one family.
type Space struct {
	Subnet  netip.Prefix `json:"subnet,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	Range   netip.Prefix `json:"range,omitzero"`
}

// HasIPv6 reports whether its containers have IPv6 addresses.
func (n Network) HasIPv6() bool { return n.V6.Subnet.IsValid() }

// Subnets are those of the families that it has.
func (n Network) Subnets() []netip.Prefix {
	if n.HasIPv6() {
		return []netip.Prefix{n.Subnet, n.V6.Subnet}
	}
	return []netip.Prefix{n.Subnet}
}

// ReservedIn are the reserved addresses of a subnet.
func (n Network) ReservedIn(subnet netip.Prefix) (all []netip.Addr) {
	for _, what := range slices.Sorted(maps.Keys(n.Reserved)) {
		if a := n.Reserved[what]; subnet.Contains(a) {
			all = append(all, a)
		}
	}
	return all
}

// Bridge is the name of the network's link on the host; "" for one on a parent.
func (n Network) Bridge() string {
	if n.OnParent() {
		return ""
	}
	if name := n.Options[OptionBridge]; name != "" {
		return name
	}
	return "br-" + ids.Short(n.ID)
}

// Table is the name of the network's table of rules; "" for one on a parent, whose
// packets pass none.
func (n Network) Table() string {
	if n.OnParent() {
		return ""
	}
	return "cove-net-" + ids.Short(n.ID)
}

// Store is the definitions of one local root. It is safe for concurrent use, by
// several processes too.
type Store struct {
	dir string
	log events.Log
}

// Open returns the definitions below a root's network directory; nothing is made yet.
func Open(dir string) *Store {
	return &Store{dir: filepath.Join(dir, "named"), log: events.Of(filepath.Dir(dir))}
}

// Dir is the directory of the network with an ID.
func (s *Store) Dir(id string) string { return filepath.Join(s.dir, id) }

// FileName is what a directory of a network has.
const FileName = "network.json"

// Add keeps a new network. complete is called with those that are there, while no
// other can be added, and says what the new one is; made is called when it is kept,
// and has it forgotten by an error. A name that is taken is errdefs.ErrExists.
func (s *Store) Add(
	ctx context.Context, n Network, complete func(n *Network, all []Network) error, made func(Network) error,
) (Network, error) {
	if !ids.ValidName(n.Name) && (len(n.Name) != 1 || !ids.ValidName(n.Name+n.Name)) { // one letter is docker's, too
		return n, errdefs.Errorf(errdefs.ErrInvalid,
			"network %q: a name has 1 to 128 of the characters [a-zA-Z0-9_.-], the first a letter or digit", n.Name)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return n, err
	}
	defer unlock()
	all, err := s.All()
	if err != nil {
		return n, err
	}
	if slices.ContainsFunc(all, func(o Network) bool { return o.Name == n.Name }) {
		return n, errdefs.Errorf(errdefs.ErrExists, "network with name %s already exists", n.Name)
	}
	n.ID = ids.New()
	if err := complete(&n, all); err != nil {
		return n, err
	}
	if err := s.write(n); err != nil {
		return n, err
	}
	if err := made(n); err != nil {
		return n, errors.Join(err, s.forget(n))
	}
	s.log.Tell(event(n, events.Create))
	return n, nil
}

func (s *Store) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("network: making the directory of networks: %w", err)
	}
	lock, err := filelock.Open(ctx, filepath.Join(s.dir, "lock"), filelock.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return func() { filelock.Release(lock) }, nil
}

// write makes the network durable. The file appears whole, by a rename; a
// directory without one is of nobody.
func (s *Store) write(n Network) error {
	data, err := leanjson.Marshal(n)
	if err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	dir := s.Dir(n.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	err = atomicfile.WriteFile(filepath.Join(dir, FileName), data, 0o600, atomicfile.Synced)
	if err == nil {
		err = errors.Join(atomicfile.SyncDir(atomicfile.Host{}, dir), atomicfile.SyncDir(atomicfile.Host{}, s.dir))
	}
	if err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	return nil
}

// Get is the network with an ID; errdefs.ErrNotFound if there is none.
func (s *Store) Get(id string) (Network, error) {
	var n Network
	if !ids.Valid(id) {
		return n, notFound(id)
	}
	data, err := os.ReadFile(filepath.Join(s.Dir(id), FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return n, notFound(ids.Short(id))
	}
	if err == nil {
		err = leanjson.Unmarshal(data, &n)
	}
	if err != nil {
		return Network{ID: id}, errdefs.Errorf(errdefs.ErrCorrupt,
			"network %s: %s cannot be read: remove the network and make it again: %w", ids.Short(id), FileName, err)
	}
	return n, nil
}

func notFound(ref string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "network %s not found", ref)
}

// Find is the network of a name, an ID or a prefix of one that is unambiguous;
// errdefs.ErrNotFound if there is none.
func (s *Store) Find(ref string) (Network, error) {
	if ref == "" {
		return Network{}, errdefs.Errorf(errdefs.ErrNotFound, "invalid network name or ID: value is empty")
	}
	all, err := s.Every()
	if err != nil {
		return Network{}, err
	}
	var found []Network
	for _, n := range all {
		if n.ID == ref || n.Broken == nil && n.Name == ref {
			return n, n.Broken
		}
		if ref != "" && strings.HasPrefix(n.ID, ref) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return Network{}, notFound(ref)
	case 1:
		return found[0], found[0].Broken
	}
	return Network{}, errdefs.Errorf(errdefs.ErrInvalid, "network %s is ambiguous (%d matches found on ID prefix)", ref,
		len(found))
}

// All lists the networks by name, without those that cannot be read: nobody can be
// connected to them.
func (s *Store) All() ([]Network, error) {
	all, err := s.Every()
	return slices.DeleteFunc(all, func(n Network) bool { return n.Broken != nil }), err
}

// Every is All with those that are Broken, which come first.
func (s *Store) Every() ([]Network, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("network: listing networks: %w", err)
	}
	var all []Network
	for _, e := range entries {
		n, err := s.Get(e.Name())
		if errors.Is(err, errdefs.ErrNotFound) {
			continue // half made, or being removed
		}
		if err != nil {
			n = Network{ID: e.Name(), Broken: err}
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Remove forgets a network. idle says that nothing needs it, and calls forget
// while that stays true; no network can be added meanwhile. One that is not there
// is errdefs.ErrNotFound.
func (s *Store) Remove(ctx context.Context, id string, idle func(n Network, forget func() error) error) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	n, err := s.Get(id)
	if err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
		return err
	}
	if n.Broken = err; err != nil {
		if n.Name == "" {
			n.Name = ids.Short(id) // which is all that can be told of it
		}
	}
	if err := idle(n, func() error { return s.forget(n) }); err != nil {
		return err
	}
	s.log.Tell(event(n, events.Destroy))
	return nil
}

// forget removes what is kept of a network. It has another name first, under which it is
// no network: nobody makes a file in it while it is removed.
func (s *Store) forget(n Network) error {
	gone := s.Dir(n.ID) + ".removed"
	err := os.Rename(s.Dir(n.ID), gone)
	if err == nil {
		err = errors.Join(os.RemoveAll(gone), atomicfile.SyncDir(atomicfile.Host{}, s.dir))
	}
	if err != nil {
		return fmt.Errorf("network %s: %w", n.Name, err)
	}
	return nil
}

func event(n Network, action string) events.Event {
	return events.Event{
		Type: events.Network, Action: action, ID: n.ID, Attributes: map[string]string{"name": n.Name, "type": n.Kind()},
	}
}

// PredefinedID is the ID of a network that every root has: the same everywhere.
func PredefinedID(name string) string {
	sum := sha256.Sum256([]byte("predefined network " + name))
	return hex.EncodeToString(sum[:])
}
