package network

import (
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

	"golang.org/x/sys/unix"

	"cove/errdefs"
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
	n := Open(t.TempDir())
	t.Cleanup(func() {
		if _, err := n.Clean(); err != nil {
			t.Error(err)
		}
		if _, err := net.InterfaceByName(n.bridge); err == nil {
			t.Errorf("bridge %s is left", n.bridge)
		}
		if out, err := exec.Command("nft", "list", "tables").Output(); err == nil && strings.Contains(string(out), n.table+"\n") {
			t.Errorf("table %s is left", n.table)
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
	one := connect(t, n, "1111aaaa1111", Config{Ports: []Port{
		{HostIP: loopback, ContainerPort: 7000}, {ContainerPort: 7000},
	}})
	two := connect(t, n, "2222bbbb2222", Config{})
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

func TestPortInUse(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := uint16(l.Addr().(*net.TCPAddr).Port)
	_, err = tryConnect(n, "3333", Config{Ports: []Port{{HostPort: taken, ContainerPort: 1}}})
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("port of another program: %v", err)
	}
	e := connect(t, n, "4444cccc4444dddd", Config{Ports: []Port{{ContainerPort: 1}}})
	_, err = tryConnect(n, "5555", Config{Ports: []Port{{HostPort: e.State.Ports[0].HostPort, ContainerPort: 1}}})
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "container 4444cccc4444") {
		t.Errorf("port of another container: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(leases(t, n)); got != 0 {
		t.Errorf("%d leases are left", got)
	}
}

func leases(t *testing.T, n *Network) (all map[string]lease) {
	t.Helper()
	if err := n.locked(func(p *ipam) error { all = p.Leases; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCleanSweepsTheDead(t *testing.T) {
	needRoot(t)
	n := testNetwork(t)
	dead, err := tryConnect(n, "dead00000000", Config{Ports: []Port{{ContainerPort: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	connect(t, n, "alive0000000", Config{})
	disown(t, n, "dead00000000")
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

// disown makes a lease look like that of a monitor that was killed.
func disown(t *testing.T, n *Network, id string) {
	t.Helper()
	if err := n.locked(func(p *ipam) error {
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
