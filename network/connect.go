package network

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/process"
	"cove/network/bridge"
	"cove/network/ends"
	"cove/network/firewall"
	"cove/network/held"
	"cove/network/ipam"
	"cove/network/namespace"
	"cove/network/usermode"
)

// Endpoint is one container's connections.
type Endpoint struct {
	// State is what is told to others, complete after Ready.
	State State
	// Path is the namespace to join; empty makes a new one, or, when Shared is
	// set, none at all. It is valid until Close.
	Path   string
	Shared bool

	net       *Network
	id        string
	ns        *namespace.Namespace
	links     []*link
	listeners []held.Socket
	names     io.Closer       // nil where nobody has a name
	rules     *firewall.Watch // nil without a bridge
	wired     chan error      // of the bridges, being wired; nil otherwise
	made      func()          // says that ns is there, or never will be
	user      *usermode.Connection
}

// Connect makes what cfg asks for: namespace, addresses, interfaces, published
// ports. It returns when the namespace can be joined; Ready waits for the rest.
// peer is the process whose namespace "container:ID" joins.
func (n *Network) Connect(id string, cfg Config, peer int) (*Endpoint, error) {
	switch _, isPeer := cfg.Mode.Peer(); {
	case isPeer:
		return &Endpoint{Path: "/proc/" + strconv.Itoa(peer) + "/ns/net"}, nil
	case cfg.Mode == Host:
		return &Endpoint{Shared: true}, nil
	case cfg.Mode == None && len(cfg.Attachments) == 0:
		return &Endpoint{}, nil
	case cfg.Mode != Bridge && cfg.Mode != "" && len(cfg.Attachments) == 0:
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"network %q: not found; there are bridge, none, host and container:NAME", cfg.Mode)
	}
	for _, p := range cfg.Ports {
		if err := p.Validate(); err != nil {
			return nil, err
		}
	}
	if !namespace.Ours() {
		return connectUser(cfg)
	}
	e := &Endpoint{net: n, id: id}
	if err := e.plan(cfg); err != nil {
		return nil, err
	}
	return e.begin(cfg, e.connect)
}

// begin connects beside what the caller does meanwhile, and makes the namespace, unless
// the container's process does. connect is told when that is there: it takes as long as
// all the rest.
func (e *Endpoint) begin(cfg Config, connect func(Config, <-chan struct{}) error) (*Endpoint, error) {
	e.wired = make(chan error, 1)
	made := make(chan struct{})
	e.made = sync.OnceFunc(func() { close(made) })
	go func() { e.wired <- connect(cfg, made) }()
	if cfg.OwnNamespace {
		return e, nil
	}
	ns, err := namespace.New()
	e.ns = ns
	e.made()
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.Path = ns.Path()
	return e, nil
}

// Made is told the process that has made the namespace itself, as Config asked
// for it.
func (e *Endpoint) Made(pid int) (err error) {
	if e.made == nil || e.ns != nil {
		return nil
	}
	e.ns, err = namespace.Of(pid)
	e.made()
	return err
}

// plan finds the networks, and which of them has the default route and the ports.
func (e *Endpoint) plan(cfg Config) error {
	var taken []string
	for _, at := range cfg.attachments() {
		taken = append(taken, at.Options[ends.Ifname])
	}
	for i, at := range cfg.attachments() {
		seg, err := e.net.segmentOf(at.Network)
		if err != nil {
			return err
		}
		l := newLink(Running{ID: e.id, Name: cfg.Name, Hostname: cfg.Hostname}, seg, at, i, taken)
		e.links, taken = append(e.links, l), append(taken, l.got.Interface)
	}
	out := e.publisher()
	// What is to be published where all networks are internal is heeded when another joins.
	if out == nil && len(cfg.Ports) > 0 && e.outward() != nil {
		return e.nowhere(cfg.Ports[0])
	}
	if out != nil {
		out.publish(cfg.Ports)
	}
	return nil
}

// outward is the link whose gateway the default route leads to; nil when all
// networks are internal.
func (e *Endpoint) outward() *link { return e.best(func(l *link) bool { return !l.seg.Def.Internal }) }

// publisher is the link through which ports are published: that of the best bridge.
func (e *Endpoint) publisher() *link {
	return e.best(func(l *link) bool { return !l.seg.Def.Internal && !l.seg.Def.OnParent() })
}

// best is the link with the highest priority, and of several the first by name.
func (e *Endpoint) best(able func(*link) bool) *link {
	var best *link
	for _, l := range e.links {
		switch {
		case !able(l):
		case best == nil, l.at.Priority > best.at.Priority,
			l.at.Priority == best.at.Priority && strings.Compare(l.at.Name, best.at.Name) < 0:
			best = l
		}
	}
	return best
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

// connect wires the bridges; the namespace is there when made is closed.
func (e *Endpoint) connect(cfg Config, made <-chan struct{}) error {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: opening netlink: %w", err)
	}
	defer host.Close()
	err = e.lease(host)
	if <-made; err != nil || e.ns == nil {
		return err
	}
	if err := e.ns.RaiseLoopback(); err != nil {
		return err
	}
	out, hostEnds := e.outward(), []string(nil)
	for _, l := range e.links {
		if err := l.plug(host, e.ns.FD()); err != nil {
			return err
		}
		if err := e.ns.Wire(l.got.end(), l == out); err != nil {
			return err
		}
		if l.got.Veth != "" {
			hostEnds = append(hostEnds, l.got.Veth, l.got.Bridge)
		}
	}
	if cfg.OnNamed() {
		if err := e.startNames(cfg); err != nil {
			return err
		}
	}
	if err := e.watchRules(); err != nil {
		return err
	}
	return bridge.AwaitUp(host, hostEnds...)
}

// watchRules has the rules made again that somebody takes away while the container
// is there.
func (e *Endpoint) watchRules() (err error) {
	var tables []string
	for _, l := range e.links {
		if l.seg.Table != "" {
			tables = append(tables, l.seg.Table)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	e.rules, err = firewall.NewWatch(tables, func() {
		for _, l := range e.links {
			_, _ = l.seg.Mend() // whoever starts next on the network is told what is wrong
		}
	})
	return err
}

// lease takes the addresses and the ports, and tells the state.
func (e *Endpoint) lease(host *netlink.Handle) error {
	for _, l := range e.links {
		if err := l.forward(); err != nil {
			return err
		}
		if err := e.net.evictElsewhere(l); err != nil {
			return err
		}
		listeners, err := l.lease(host, process.Self())
		e.listeners = append(e.listeners, listeners...)
		if err != nil {
			return err
		}
		e.State.Attached = append(e.State.Attached, l.got)
		e.State.Ports = append(e.State.Ports, l.ports...)
	}
	main := e.outward()
	if main == nil {
		main = e.links[0]
	}
	got := main.got
	e.State.IP, e.State.Gateway, e.State.MAC = got.IP, got.Gateway, got.MAC
	e.State.Bridge, e.State.Veth = got.Bridge, got.Veth
	e.State.IP6, e.State.Gateway6 = got.IP6, got.Gateway6
	if len(e.links) == 1 && !main.seg.Named() {
		e.State.Attached = nil
	}
	return held.Carry(e.listeners, e.State.IP6.IsValid())
}

// Unpublish frees the published ports, and the addresses and names on networks that
// somebody made, before the end of the container is told.
func (e *Endpoint) Unpublish() error {
	_ = e.Ready() // whoever waited for the network was told the error
	e.closeListeners()
	if e.net == nil {
		return e.user.Close()
	}
	err := e.net.releaseNamed(e.id, process.Self())
	l := e.publisher()
	if len(e.State.Ports) == 0 || l.seg.Named() {
		return err
	}
	return errors.Join(err, ipam.Change(l.seg.Dir, func(pool *ipam.Pool) error {
		lease, ok := pool.Leases[e.id]
		if !ok || lease.Owner != process.Self() {
			return nil
		}
		without := lease
		without.Ports = nil
		pool.Leases[e.id] = without
		return l.seg.Rules(pool).Unpublish(lease)
	}))
}

func (e *Endpoint) closeListeners() {
	held.Close(e.listeners)
	e.listeners = nil
}

// Close frees everything. The interfaces go with the namespace, which the
// kernel destroys a little later, when its last process is gone.
func (e *Endpoint) Close() error {
	if e.made != nil {
		e.made() // what nobody told of, nobody waits for any longer
	}
	_ = e.Ready() // whoever waited for the network was told the error
	e.closeListeners()
	if e.rules != nil {
		e.rules.Close()
		e.rules = nil
	}
	err := e.user.Close()
	if e.names != nil {
		err = errors.Join(err, e.names.Close())
		e.names = nil
	}
	if e.ns != nil {
		e.ns.Close()
		e.ns = nil
	}
	if e.net == nil {
		return err
	}
	// A successor with this ID may have connected already: then the leases are its.
	return errors.Join(err, e.net.release(e.id, process.Self()))
}
