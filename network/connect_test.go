package network

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/bridge"
	"cove/network/etc"
	"cove/network/firewall"
	"cove/network/held"
	"cove/network/ipam"
	"cove/network/namespace"
	"cove/network/publish"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces and bridges")
	}
}

// testNetwork is a network with a bridge of its own, removed at the end, and
// checked to have left nothing.
func testNetwork(t testing.TB) *Network {
	t.Helper()
	n := Open(t.TempDir()).Answering(answer)
	t.Cleanup(func() {
		if _, err := n.Clean(); err != nil {
			t.Error(err)
		}
		if _, err := net.InterfaceByName(n.first.Bridge); err == nil {
			t.Errorf("bridge %s is left", n.first.Bridge)
		}
		if out, err := exec.Command("nft", "list", "tables").Output(); err == nil && strings.Contains(string(out), n.first.Table+"\n") {
			t.Errorf("table %s is left", n.first.Table)
		}
	})
	return n
}

func connect(t testing.TB, n *Network, id string, cfg Config) *Endpoint {
	t.Helper()
	e, err := tryConnect(n, id, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func tryConnect(n *Network, id string, cfg Config) (*Endpoint, error) {
	e, err := n.Connect(id, cfg, 0)
	if err != nil {
		return nil, err
	}
	if err := e.Ready(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// newID is a container's; interfaces are named by it, and another run of these
// tests may be on the same machine.
func newID() string { return strings.ToLower(rand.Text())[:12] }

// inside runs fn on a thread in the endpoint's namespace; sockets made there stay
// there.
func inside(t testing.TB, e *Endpoint, fn func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		fd, err := unix.Open(e.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// serve answers text on port 7000 inside the endpoint's namespace.
func serve(t *testing.T, e *Endpoint, text string) {
	t.Helper()
	inside(t, e, func() {
		l, err := net.Listen("tcp4", ":7000")
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, text)
				c.Close()
			}
		}()
	})
}

func ask(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	b, _ := io.ReadAll(c)
	return strings.TrimSpace(string(b))
}

func TestBridge(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	loopback := netip.MustParseAddr("127.0.0.1")
	one := connect(t, n, newID(), Config{Ports: []publish.Port{
		{HostIP: loopback, ContainerPort: 7000}, {ContainerPort: 7000},
	}})
	two := connect(t, n, newID(), Config{})
	serve(t, one, "hello from one")

	local, everywhere := one.State.Ports[0], one.State.Ports[1]
	for name, addr := range map[string]string{
		"127.0.0.1 published on loopback":  fmt.Sprintf("127.0.0.1:%d", local.HostPort),
		"127.0.0.1 published everywhere":   fmt.Sprintf("127.0.0.1:%d", everywhere.HostPort),
		"the bridge's address, everywhere": fmt.Sprintf("%s:%d", one.State.Gateway, everywhere.HostPort),
	} {
		if got := ask(addr); got != "hello from one" {
			t.Errorf("%s: %q", name, got)
		}
	}
	reach := func(e *Endpoint, addr netip.Addr, port uint16) (got string) {
		inside(t, e, func() { got = ask(fmt.Sprintf("%s:%d", addr, port)) })
		return got
	}
	if got := reach(two, one.State.IP.Addr(), 7000); got != "hello from one" {
		t.Errorf("two reaches one by address: %q", got)
	}
	if got := reach(two, two.State.Gateway, everywhere.HostPort); got != "hello from one" {
		t.Errorf("two reaches one by the host's port: %q", got)
	}
	if got := reach(one, one.State.Gateway, everywhere.HostPort); got != "hello from one" {
		t.Errorf("one reaches itself by the host's port: %q", got)
	}
	if got := reach(two, two.State.Gateway, local.HostPort); got == "hello from one" {
		t.Error("a container reaches what is published on loopback only")
	}
	if err := one.Unpublish(); err != nil {
		t.Error(err)
	}
	if got := ask(fmt.Sprintf("127.0.0.1:%d", local.HostPort)); !strings.Contains(got, "refused") {
		t.Errorf("after Unpublish: %q", got)
	}
}

// TestNAT reaches, from a container, a machine beyond the host that knows the
// host alone.
func TestNAT(t *testing.T) {
	needRoot(t)
	e := connect(t, testNetwork(t), newID(), Config{})
	// One of the /30 in 198.18.0.0/15, which RFC 2544 keeps for tests.
	var b [2]byte
	_, _ = rand.Read(b[:])
	host := netip.AddrFrom4([4]byte{198, 18, b[0], b[1]&^3 | 1})
	beyond := machineBeyond(t, netip.PrefixFrom(host, 30))
	inside(t, beyond, func() {
		l, err := net.Listen("tcp4", ":7000")
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = fmt.Fprint(c, "you are ", c.RemoteAddr())
				c.Close()
			}
		}()
	})
	var got string
	inside(t, e, func() { got = ask(beyond.State.IP.Addr().String() + ":7000") })
	if !strings.HasPrefix(got, "you are "+host.String()+":") {
		t.Errorf("%q, want the host's address, %s", got, host)
	}
}

// machineBeyond is a network namespace on a link of its own to the host, whose
// address there is the only one that it has a route to.
func machineBeyond(t *testing.T, host netip.Prefix) *Endpoint {
	t.Helper()
	ns, err := namespace.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Close)
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nl.Close)
	there := netip.PrefixFrom(host.Addr().Next(), host.Bits())
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "vt" + newID()
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.FD())}
	if err := nl.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nl.LinkDel(veth); err != nil {
			t.Error(err)
		}
	})
	var inner *netlink.Handle
	if err := ns.Inside(func() (err error) { inner, err = netlink.NewHandle(unix.NETLINK_ROUTE); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inner.Close)
	eth0, err := inner.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		nl   *netlink.Handle
		link netlink.Link
		ip   netip.Prefix
	}{{nl, veth, host}, {inner, eth0, there}} {
		addr := &netlink.Addr{IPNet: bridge.IPNet(end.ip.Addr(), end.ip.Bits())}
		if end.ip.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
			// A namespace made for containers has it off.
			on := func() error { return bridge.Sysctl("ipv6/conf/"+end.link.Attrs().Name+"/disable_ipv6", "0") }
			if end.nl == inner {
				err = ns.Inside(on)
			} else {
				err = on()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := end.nl.AddrAdd(end.link, addr); err != nil {
			t.Fatal(err)
		}
		if err := end.nl.LinkSetUp(end.link); err != nil {
			t.Fatal(err)
		}
	}
	if host.Addr().Is6() {
		bridge.AwaitAddr(inner, there.Addr())
		bridge.AwaitAddr(nl, host.Addr())
	}
	if err := bridge.AwaitUp(inner, "eth0"); err != nil {
		t.Fatal(err)
	}
	if err := bridge.AwaitUp(nl, veth.Name); err != nil {
		t.Fatal(err)
	}
	return &Endpoint{Path: ns.Path(), State: State{IP: there}}
}

func TestPortInUse(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := uint16(l.Addr().(*net.TCPAddr).Port)
	_, err = tryConnect(n, newID(), Config{Ports: []publish.Port{{HostPort: taken, ContainerPort: 1}}})
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("port of another program: %v", err)
	}
	id := newID()
	e := connect(t, n, id+"dddd", Config{Ports: []publish.Port{{ContainerPort: 1}}})
	_, err = tryConnect(n, newID(), Config{Ports: []publish.Port{{HostPort: e.State.Ports[0].HostPort, ContainerPort: 1}}})
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "container "+id) {
		t.Errorf("port of another container: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(leases(t, n)); got != 0 {
		t.Errorf("%d leases are left", got)
	}
}

func leases(t *testing.T, n *Network) (all map[string]ipam.Lease) {
	t.Helper()
	if err := ipam.Update(n.first.Dir, func(p *ipam.Pool) error { all = p.Leases; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCleanSweepsTheDead(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	id := newID()
	dead, err := tryConnect(n, id, Config{Ports: []publish.Port{{ContainerPort: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	connect(t, n, newID(), Config{})
	orphanLease(t, n, id)
	removed, err := n.Clean()
	if err != nil || len(removed) != 1 {
		t.Errorf("Clean: %v, %v", removed, err)
	}
	if _, err := net.InterfaceByName(dead.State.Veth); err == nil {
		t.Errorf("%s is left", dead.State.Veth)
	}
	if all := leases(t, n); len(all) != 1 {
		t.Errorf("leases: %v", all)
	}
	dead.Close()
}

// orphanLease makes a lease look like that of a monitor that was killed.
func orphanLease(t *testing.T, n *Network, id string) {
	t.Helper()
	if err := ipam.Update(n.first.Dir, func(p *ipam.Pool) error {
		l := p.Leases[id]
		l.Owner = fmt.Sprintf("%d 1", os.Getpid()) // started at another time
		p.Leases[id] = l
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkConnect(b *testing.B) {
	needRoot(b)
	n := testNetwork(b)
	connect(b, n, "ffffffffffff", Config{})
	for i := range b.N {
		e, err := tryConnect(n, fmt.Sprintf("%012x", i), Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		e.Close()
		time.Sleep(30 * time.Millisecond)
		b.StartTimer()
	}
}

// TestConnectAfterTheDead wants a port that a process which was killed still
// holds, in the lease and in the firewall.
func TestConnectAfterTheDead(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	port := func(hostPort uint16) []publish.Port {
		return []publish.Port{
			{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: hostPort, ContainerPort: 80},
			{HostPort: hostPort, ContainerPort: 80, Proto: "udp"},
		}
	}
	dead := connect(t, n, newID(), Config{Ports: port(18466)})
	die := func() {
		held.Close(dead.listeners)
		dead.listeners = nil
		if err := ipam.Update(n.first.Dir, func(pool *ipam.Pool) error {
			l := pool.Leases[dead.id]
			l.Owner = "1 0"
			pool.Leases[dead.id] = l
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	die()
	next := connect(t, n, newID(), Config{Ports: port(18466)})
	leases := func() (held map[string]ipam.Lease) {
		if err := ipam.Update(n.first.Dir, func(pool *ipam.Pool) error { held = pool.Leases; return nil }); err != nil {
			t.Fatal(err)
		}
		return held
	}
	if l := leases(); len(l) != 1 || l[next.id].IP != next.State.IP.Addr() {
		t.Errorf("leases %+v, want that of the living alone", l)
	}
	// What others do for the dead one later is not done to the living.
	if err := errors.Join(dead.Close(), n.Release(dead.id)); err != nil {
		t.Error(err)
	}
	if _, err := tryConnect(n, newID(), Config{Ports: port(18466)}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a port of the living: %v", err)
	}
	// An element that no lease knows of is replaced, and one that is missing
	// keeps none of the others.
	if err := ipam.Update(n.first.Dir, func(pool *ipam.Pool) error {
		fw := firewall.New(n.first.Table, n.first.Bridge, pool.Subnet)
		return errors.Join(
			fw.Publish(port(18467)[:1], next.State.IP.Addr()),
			fw.Unpublish(port(18466)[:1], next.State.IP.Addr()),
		)
	}); err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	for _, hostPort := range []uint16{18466, 18467} {
		e := connect(t, n, newID(), Config{Ports: port(hostPort)})
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLateClose closes an endpoint whose ID a successor has by now.
func TestLateClose(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	id := newID()
	late := connect(t, n, id, Config{})
	if err := ipam.Update(n.first.Dir, func(pool *ipam.Pool) error {
		l := pool.Leases[id]
		l.Owner = "1 0" // as if another process had connected it
		pool.Leases[id] = l
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := late.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ipam.Update(n.first.Dir, func(pool *ipam.Pool) error {
		if _, ok := pool.Leases[id]; !ok {
			t.Error("the successor's lease was released")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// answer is what the networks of the tests answer questions for names with.
var answer etc.Answer

// AnswerWith sets it, for the package of tests that may know who answers.
func AnswerWith(a etc.Answer) etc.Answer {
	answer = a
	return a
}
