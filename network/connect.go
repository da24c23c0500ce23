package network

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/network/bridge"
	"cove/network/firewall"
	"cove/network/ipam"
	"cove/network/publish"
)

// Network is the bridge of one local root. It is safe for concurrent use, by
// several processes too.
type Network struct {
	dir    string // root/network
	bridge string
	table  string
}

// defaultRoot is the local root of a machine where nothing else is asked for.
const (
	defaultRoot   = "/var/lib/cove"
	defaultBridge = "cove0"
)

// Open returns the network of a local root; nothing is made yet. The default
// root's bridge is cove0 and its table cove; any other root has names, and a
// subnet, of its own.
func Open(root string) *Network {
	n := &Network{dir: filepath.Join(root, "network"), bridge: defaultBridge, table: "cove"}
	if root != defaultRoot {
		sum := sha256.Sum256([]byte(root))
		n.bridge = "cove-" + hex.EncodeToString(sum[:4])
		n.table = n.bridge
	}
	return n
}

// Endpoint is one container's connection.
type Endpoint struct {
	// State is what is told to others, complete after Ready.
	State State
	// Path is the namespace to join; empty makes a new one, or, when Shared is
	// set, none at all. It is valid until Close.
	Path   string
	Shared bool

	net       *Network
	id        string
	ns        *namespace
	listeners []int
	wired     chan error // of the bridge, being wired; nil otherwise
}

// Connect makes what cfg asks for: namespace, address, interfaces, published
// ports. It returns when the namespace can be joined; Ready waits for the rest.
// peer is the process whose namespace "container:ID" joins.
func (n *Network) Connect(id string, cfg Config, peer int) (*Endpoint, error) {
	switch _, isPeer := cfg.Mode.Peer(); {
	case isPeer:
		return &Endpoint{Path: "/proc/" + strconv.Itoa(peer) + "/ns/net"}, nil
	case cfg.Mode == Host:
		return &Endpoint{Shared: true}, nil
	case cfg.Mode == None:
		return &Endpoint{}, nil
	case cfg.Mode != Bridge && cfg.Mode != "":
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"network %q: not found; there are bridge, none, host and container:NAME", cfg.Mode)
	}
	for _, p := range cfg.Ports {
		if err := p.Validate(); err != nil {
			return nil, err
		}
	}
	// The namespace takes as long as all the rest of it.
	e := &Endpoint{net: n, id: id, wired: make(chan error, 1)}
	made := make(chan struct{})
	go func() { e.wired <- e.connect(cfg, made) }()
	ns, err := newNamespace()
	e.ns = ns
	close(made)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.Path = "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(ns.file.Fd()))
	return e, nil
}

// Ready waits until the network can be used. After a failure the endpoint is
// still to be closed.
func (e *Endpoint) Ready() error {
	if e.wired == nil {
		return nil
	}
	err := <-e.wired
	e.wired <- err // for whoever asks again
	return err
}

// connect wires the bridge; the namespace is there when made is closed.
func (e *Endpoint) connect(cfg Config, made <-chan struct{}) error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	var link netlink.Link
	err = ipam.Update(e.net.dir, func(pool *ipam.Pool) error {
		link, err = e.lease(host, pool, cfg)
		return err
	})
	if <-made; err != nil || e.ns == nil {
		return err
	}
	if err := e.plug(host, link); err != nil {
		return err
	}
	if err := e.ns.wire(e.State.IP, e.State.Gateway); err != nil {
		return err
	}
	return bridge.AwaitUp(host, e.State.Veth, e.State.Bridge)
}

// lease finds or makes what all containers share, and takes the address and
// the ports of this one.
func (e *Endpoint) lease(host *netlink.Handle, pool *ipam.Pool, cfg Config) (netlink.Link, error) {
	link, subnet, err := bridge.Ensure(host, e.net.bridge, pool.Subnet, nameservers())
	if err != nil {
		return nil, err
	}
	pool.Subnet = subnet
	if err := enableForwarding(); err != nil {
		return nil, err
	}
	fw := firewall.New(e.net.table, e.net.bridge, pool.Subnet)
	if err := fw.Ensure(); err != nil {
		return nil, err
	}
	evicted, err := evict(fw, pool, cfg)
	if err != nil {
		return nil, err
	}
	ports := make([]publish.Port, 0, len(cfg.Ports))
	for _, p := range cfg.Ports {
		got, fd, err := publish.Reserve(p)
		for end := time.Now().Add(dying); evicted && errors.Is(err, unix.EADDRINUSE) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
			got, fd, err = publish.Reserve(p)
		}
		if err != nil {
			return nil, explain(pool, p, err)
		}
		ports, e.listeners = append(ports, got), append(e.listeners, fd)
	}
	ip, err := pool.Assign(e.id, cfg.IP)
	if err != nil {
		return nil, err
	}
	if err := fw.Publish(ports, ip); err != nil {
		return nil, err
	}
	pool.Leases[e.id] = ipam.Lease{IP: ip, Ports: ports, Owner: process.Self()}
	e.State = State{
		IP: netip.PrefixFrom(ip, pool.Subnet.Bits()), Gateway: pool.Gateway(), MAC: bridge.MACOf(ip).String(),
		Bridge: e.net.bridge, Veth: vethName(e.id), Ports: ports,
	}
	return link, nil
}

// dying is how long the sockets of a process that was killed may outlive it.
const dying = time.Second

// evict releases what containers whose monitor was killed still hold of what cfg
// asks for, or all that they hold when addresses run short, and reports whether
// there were any.
func evict(fw *firewall.Table, pool *ipam.Pool, cfg Config) (bool, error) {
	full := !pool.HasFree()
	dead := pool.DropDead(func(l ipam.Lease) bool {
		return full || cfg.IP.IsValid() && l.IP == cfg.IP || slices.ContainsFunc(l.Ports, func(have publish.Port) bool {
			return slices.ContainsFunc(cfg.Ports, have.Conflicts)
		})
	})
	for _, l := range dead {
		if err := fw.Unpublish(l.Ports, l.IP); err != nil {
			return false, err
		}
	}
	return len(dead) > 0, nil
}

func enableForwarding() error {
	const key = "ipv4/ip_forward"
	if now, err := os.ReadFile("/proc/sys/net/" + key); err == nil && len(now) > 0 && now[0] == '1' {
		return nil
	}
	if err := bridge.Sysctl(key, "1"); err != nil {
		return bridge.Denied("enabling net/"+key, err)
	}
	return nil
}

func vethName(id string) string { return "vc" + ids.Short(id) }

// plug makes the veth pair, one end in the bridge, the other in the namespace.
func (e *Endpoint) plug(host *netlink.Handle, to netlink.Link) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = e.State.Veth, to.Attrs().MTU, to.Attrs().Index
	attrs.Flags = net.FlagUp
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: bridge.MACOf(e.State.IP.Addr()),
		PeerNamespace: netlink.NsFd(e.ns.file.Fd()),
	}
	err := host.LinkAdd(veth)
	if errors.Is(err, unix.EEXIST) {
		// A predecessor with this ID: its namespace is still being destroyed.
		_ = host.LinkDel(veth) // it may be gone meanwhile
		err = host.LinkAdd(veth)
	}
	if errors.Is(err, unix.EXFULL) {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"network: bridge %s is full: the kernel allows 1,023 containers on one bridge", e.net.bridge)
	}
	if err != nil {
		return bridge.Denied("plugging "+e.State.Veth+" into "+e.net.bridge, err)
	}
	if len(e.State.Ports) > 0 {
		// Where br_netfilter is loaded (docker does), what a container sends to
		// its own published port is bridged, back to where it came from.
		if err := host.LinkSetHairpin(veth, true); err != nil {
			return bridge.Denied("letting "+e.State.Veth+" reach its own published ports", err)
		}
	}
	return nil
}

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
			"network: publishing %s: port is in use by %s; choose another, or stop it", port, who)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: %s is not an address of this host", port,
			port.Addr())
	}
	return fmt.Errorf("network: publishing %s: %w", port, err)
}

// Unpublish frees the published ports, before the end of the container is told.
func (e *Endpoint) Unpublish() error {
	_ = e.Ready() // whoever waited for the network was told the error
	for _, fd := range e.listeners {
		unix.Close(fd)
	}
	e.listeners = nil
	if e.net == nil || len(e.State.Ports) == 0 {
		return nil
	}
	return ipam.Update(e.net.dir, func(pool *ipam.Pool) error {
		l, ok := pool.Leases[e.id]
		if !ok || l.Owner != process.Self() {
			return nil
		}
		l.Ports = nil
		pool.Leases[e.id] = l
		return firewall.New(e.net.table, e.net.bridge, pool.Subnet).Unpublish(e.State.Ports, e.State.IP.Addr())
	})
}

// Close frees everything. The interfaces go with the namespace, which the
// kernel destroys a little later, when its last process is gone.
func (e *Endpoint) Close() error {
	_ = e.Ready() // whoever waited for the network was told the error
	for _, fd := range e.listeners {
		unix.Close(fd)
	}
	e.listeners = nil
	if e.ns != nil {
		e.ns.close()
		e.ns = nil
	}
	if e.net == nil {
		return nil
	}
	// A successor with this ID may have connected already: then the lease is its.
	return e.net.release(e.id, process.Self())
}

func deleteLink(name string) error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	link, err := host.LinkByName(name)
	if err != nil {
		return nil // it is removed with its namespace
	}
	if err := host.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("network: removing %s: %w", name, err)
	}
	return nil
}

// Release frees the address and ports of a container whose monitor may be gone.
// With the last container goes the firewall table, and the bridge unless it is
// the default root's: that one stays, as it takes longer to make and remove than
// a container runs.
func (n *Network) Release(id string) error { return n.release(id, "") }

// release is Release of a lease that owner holds, or anybody when it is "".
func (n *Network) release(id, owner string) error {
	if _, err := os.Stat(n.dir); err != nil {
		return nil //nolint:nilerr // never used
	}
	return ipam.Update(n.dir, func(pool *ipam.Pool) error {
		l, ok := pool.Leases[id]
		if !ok || owner != "" && l.Owner != owner {
			return nil
		}
		delete(pool.Leases, id)
		fw := firewall.New(n.table, n.bridge, pool.Subnet)
		if len(pool.Leases) == 0 {
			err := fw.Drop()
			if n.bridge != defaultBridge {
				err = errors.Join(err, deleteLink(n.bridge))
			}
			return err
		}
		return fw.Unpublish(l.Ports, l.IP)
	})
}

// Clean releases the leases and interfaces of containers whose monitor is gone,
// and, when none is left, removes bridge and table. It tells what it removed.
func (n *Network) Clean() ([]string, error) {
	if _, err := os.Stat(n.dir); err != nil {
		return nil, nil //nolint:nilerr // never used
	}
	var removed []string
	var dead []string
	idle := false
	err := ipam.Update(n.dir, func(pool *ipam.Pool) error {
		if err := atomicfile.RemoveTemps(n.dir); err != nil { // who writes has the lock
			return fmt.Errorf("network: %w", err)
		}
		for id, l := range pool.Leases {
			if !l.Alive() {
				dead = append(dead, id)
			}
		}
		idle = len(dead) == len(pool.Leases)
		return nil
	})
	if err != nil {
		return nil, err
	}
	sort.Strings(dead)
	for _, id := range dead {
		if err := errors.Join(n.Release(id), deleteLink(vethName(id))); err != nil {
			return removed, err
		}
		removed = append(removed, "network lease of container "+ids.Short(id))
	}
	if !idle {
		return removed, nil
	}
	gone, err := n.removeBridge()
	return append(removed, gone...), err
}

func (n *Network) removeBridge() (removed []string, err error) {
	if _, err := net.InterfaceByName(n.bridge); err != nil {
		return nil, nil //nolint:nilerr // no bridge, nothing to do
	}
	err = ipam.Update(n.dir, func(pool *ipam.Pool) error {
		if len(pool.Leases) > 0 {
			return nil // a container came in between
		}
		removed = []string{"bridge " + n.bridge}
		return errors.Join(firewall.New(n.table, n.bridge, pool.Subnet).Drop(), deleteLink(n.bridge))
	})
	return removed, err
}
