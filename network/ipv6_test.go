package network

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cove/internal/process"
	"cove/network/definition"
	"cove/network/publish"
)

// someSubnet6 is of unique local addresses.
func someSubnet6() netip.Prefix {
	var a [16]byte
	_, _ = rand.Read(a[1:8])
	a[0] = 0xfd
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// six is a definition with both families.
func six(name string) definition.Network {
	return definition.Network{Name: name, Subnet: someSubnet(), V6: definition.Space{Subnet: someSubnet6()}}
}

// serveBoth answers text on port 7000 inside the endpoint's namespace, on every
// address of both families.
func serveBoth(t *testing.T, e *Endpoint, text string) {
	t.Helper()
	answer := func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "%s to %s", text, c.RemoteAddr())
			c.Close()
		}
	}
	inside(t, e, func() {
		// Asked for "tcp", the library listens on IPv4 alone if the namespace in which it
		// first looked had no IPv6.
		for _, family := range []string{"tcp4", "tcp6"} {
			l, err := net.Listen(family, ":7000")
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { l.Close() })
			go answer(l)
		}
	})
}

func at(ip netip.Addr, port uint16) string {
	return net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))
}

// TestDualStack reaches a container by its addresses of both families: from another on
// its network, from the host, by published ports, also its own, and by none from
// another network.
func TestDualStack(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web, other := define(t, n, six("web")), define(t, n, six("other"))
	cfg := on(web)
	cfg.Ports = []publish.Port{
		{ContainerPort: 7000}, {ContainerPort: 7000, HostIP: netip.IPv6Loopback()}, {ContainerPort: 7000, HostIP: netip.MustParseAddr("127.0.0.1")},
	}
	server := connect(t, n, newID(), cfg)
	client, stranger := connect(t, n, newID(), on(web)), connect(t, n, newID(), on(other))
	serveBoth(t, server, "hello")
	st, ports := server.State, server.State.Ports
	if len(ports) != 4 || ports[0].HostPort != ports[1].HostPort || ports[1].Addr() != netip.IPv6Unspecified() {
		t.Fatalf("published are %v", ports)
	}
	port, local := ports[0].HostPort, ports[2].HostPort
	tests := []struct {
		name string
		from *Endpoint // nil is the host
		to   string
		want bool
	}{
		{"container to container", client, at(st.IP6.Addr(), 7000), true},
		{"and by IPv4", client, at(st.IP.Addr(), 7000), true},
		{"host to container", nil, at(st.IP6.Addr(), 7000), true},
		{"loopback of the host", nil, at(netip.IPv6Loopback(), port), true},
		{"by IPv4", nil, fmt.Sprintf("127.0.0.1:%d", port), true},
		{"what is on loopback only", nil, at(netip.IPv6Loopback(), local), true},
		{"address of the bridge", nil, at(st.Gateway6, port), true},
		{"a container by its host's port", client, at(st.Gateway6, port), true},
		{"itself by its host's port", server, at(st.Gateway6, port), true},
		{"what is on loopback only, from a container", client, at(st.Gateway6, local), false},
		{"a container of another network", stranger, at(st.IP6.Addr(), 7000), false},
		{"but by the host's port", stranger, at(stranger.State.Gateway6, port), true},
	}
	for _, tt := range tests {
		var got string
		if tt.from == nil {
			got = ask(tt.to)
		} else {
			inside(t, tt.from, func() { got = ask(tt.to) })
		}
		if strings.HasPrefix(got, "hello to ") != tt.want {
			t.Errorf("%s: %s answers %q", tt.name, tt.to, got)
		}
	}
	if err := server.Unpublish(); err != nil {
		t.Error(err)
	}
	if got := ask(at(netip.IPv6Loopback(), port)); !strings.Contains(got, "refused") {
		t.Errorf("after Unpublish: %q", got)
	}
}

// TestIPv6Inside looks at what a container has: the addresses that were given alone,
// none that others on the link tell of.
func TestIPv6Inside(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, six("web"))
	want := web.V6.Subnet.Addr().Next().Next().Next()
	cfg := on(web)
	cfg.Attachments[0].IP6, cfg.Hostname = want, "box"
	e := connect(t, n, newID(), cfg)
	inside(t, e, func() {
		for key, want := range map[string]string{"accept_ra": "0", "autoconf": "0", "disable_ipv6": "0"} {
			got, err := os.ReadFile("/proc/sys/net/ipv6/conf/eth0/" + key)
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%s is %q, %v", key, got, err)
			}
		}
		addrs, err := net.InterfaceAddrs()
		has := slices.ContainsFunc(addrs, func(a net.Addr) bool { return a.String() == want.String()+"/64" })
		if err != nil || !has {
			t.Errorf("addresses are %v, %v", addrs, err)
		}
	})
	if hosts := string(Hosts(cfg, e.State)); !strings.Contains(hosts, want.String()+"\tbox\n") {
		t.Errorf("hosts are %q", hosts)
	}
	if e.State.Gateway6 != web.V6.Gateway || e.State.IP6 != netip.PrefixFrom(want, 64) {
		t.Errorf("state is %+v", e.State)
	}
}

// TestMasquerade6 reaches a machine beyond the host that knows the host alone.
func TestMasquerade6(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	e := connect(t, n, newID(), on(define(t, n, six("web"))))
	sub := someSubnet6()
	host := sub.Addr().Next()
	beyond := machineBeyond(t, netip.PrefixFrom(host, 64))
	serveBoth(t, beyond, "hello")
	var got string
	for end := time.Now().Add(10 * time.Second); !strings.HasPrefix(got, "hello") && time.Now().Before(end); {
		inside(t, e, func() { got = ask(at(beyond.State.IP.Addr(), 7000)) })
	}
	if !strings.HasPrefix(got, "hello to ["+host.String()+"]:") {
		t.Errorf("%q, want that it sees the host, %s", got, host)
	}
}

// TestIPv6ToIPv4 publishes on IPv6 addresses of the host what has IPv4 alone.
func TestIPv6ToIPv4(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	e := connect(t, n, newID(), Config{Ports: []publish.Port{
		{ContainerPort: 7000, HostIP: netip.IPv6Loopback()}, {ContainerPort: 7000, HostIP: netip.IPv6Unspecified()},
	}})
	serve(t, e, "hello")
	for _, p := range e.State.Ports {
		if got := ask(at(netip.IPv6Loopback(), p.HostPort)); got != "hello" {
			t.Errorf("%s answers %q", p, got)
		}
	}
}

// TestDefineIPv6 chooses a subnet of unique local addresses, and refuses one that is
// in use.
func TestDefineIPv6(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, definition.Network{Name: "web", Subnet: someSubnet(), IPv6: true})
	ula := netip.MustParsePrefix("fd00::/8")
	if s := web.V6.Subnet; !ula.Contains(s.Addr()) || s.Bits() != 64 || web.V6.Gateway != s.Addr().Next() {
		t.Errorf("chosen was %+v", web.V6)
	}
	again := definition.Network{Name: "again", Subnet: someSubnet(), V6: definition.Space{Subnet: web.V6.Subnet}}
	if _, err := n.Define(t.Context(), again); err == nil || !strings.Contains(err.Error(), "that of network web") {
		t.Errorf("a subnet of another: %v", err)
	}
}

// TestJoinIPv6 connects a container that runs to a network with IPv6, and takes it off
// again.
func TestJoinIPv6(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, six("web"))
	server := connect(t, n, newID(), on(web))
	serveBoth(t, server, "hello")
	e := connect(t, n, newID(), Config{})
	pid, end := holdNamespace(t, e)
	defer end()
	c := Running{ID: e.id, Name: "late", PID: pid, Owner: process.Self(), Attached: []Attached{{
		Name: "bridge", Interface: "eth0", Veth: e.State.Veth, IP: e.State.IP, Gateway: e.State.Gateway,
	}}}
	got, err := n.Join(c, Attachment{Network: web.ID, Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	reach := func() (answer string) {
		inside(t, e, func() { answer = ask(at(server.State.IP6.Addr(), 7000)) })
		return answer
	}
	if answer := reach(); !strings.HasPrefix(answer, "hello to ["+got.IP6.Addr().String()+"]") {
		t.Errorf("it has %s, and hears %q", got.IP6, answer)
	}
	c.Attached = append(c.Attached, got)
	if err := n.Leave(c, got); err != nil {
		t.Error(err)
	}
	if answer := reach(); strings.HasPrefix(answer, "hello") {
		t.Error("it is still there after it left")
	}
}
