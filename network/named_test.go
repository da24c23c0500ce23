package network

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/network/definition"
	"cove/network/publish"
)

// define makes a network, removed at the end, when nobody may be on it.
func define(t *testing.T, n *Network, def definition.Network) definition.Network {
	t.Helper()
	def, err := n.Define(t.Context(), def)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Undefine(context.WithoutCancel(t.Context()), def.ID); err != nil {
			t.Error(err)
		}
		if _, err := net.InterfaceByName(def.Bridge()); err == nil {
			t.Errorf("bridge %s is left", def.Bridge())
		}
	})
	return def
}

// someSubnet is none that a root chooses by itself: other tests do that meanwhile,
// and one that was chosen is held only while a container is on it.
func someSubnet() netip.Prefix {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 20 + b[0]%60, b[1], 0}), 24)
}

func on(defs ...definition.Network) Config {
	var cfg Config
	for _, def := range defs {
		cfg.Attachments = append(cfg.Attachments, Attachment{Network: def.ID, Name: def.Name})
	}
	return cfg
}

func TestDefine(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, definition.Network{Name: "web"})
	if !web.Subnet.IsValid() || web.Gateway != web.Subnet.Addr().Next() {
		t.Errorf("no subnet was chosen: %+v", web)
	}
	other := define(t, n, definition.Network{Name: "other"})
	if other.Subnet.Overlaps(web.Subnet) {
		t.Errorf("%s overlaps %s", other.Subnet, web.Subnet)
	}
	tests := []struct {
		def  definition.Network
		kind error
		text string
	}{
		{definition.Network{Name: "web"}, errdefs.ErrExists, "already exists"},
		{definition.Network{Name: "bridge"}, errdefs.ErrDenied, "predefined"},
		{definition.Network{Name: "again", Subnet: web.Subnet}, errdefs.ErrConflict, "that of network web"},
	}
	for _, tt := range tests {
		if _, err := n.Define(t.Context(), tt.def); !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("Define(%s): %v", tt.def.Name, err)
		}
	}
}

func TestNetworksAreApart(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, definition.Network{Subnet: someSubnet(), Name: "web"})
	back := define(t, n, definition.Network{Subnet: someSubnet(), Name: "back", Internal: true})
	lone := define(t, n, definition.Network{Subnet: someSubnet(), Name: "lone", Options: map[string]string{definition.OptionICC: "false"}})
	server := connect(t, n, newID(), on(web, back, lone))
	serve(t, server, "hello")
	addr := func(i int) string { return net.JoinHostPort(server.State.Attached[i].IP.Addr().String(), "7000") }
	tests := []struct {
		name string
		on   definition.Network
		to   string
		want bool
	}{
		{"of one network", web, addr(0), true},
		{"of an internal one", back, addr(1), true},
		{"isolated from each other", lone, addr(2), false},
		{"from an internal network to another", back, addr(0), false},
		{"from one to an internal network", web, addr(1), false},
	}
	for _, tt := range tests {
		client := connect(t, n, newID(), on(tt.on))
		inside(t, client, func() {
			if got := ask(tt.to); (got == "hello") != tt.want {
				t.Errorf("%s: %s answers %q", tt.name, tt.to, got)
			}
		})
	}
	inner := connect(t, n, newID(), Config{
		Attachments: on(back).Attachments, Ports: []publish.Port{{ContainerPort: 7000}},
	})
	if got := inner.State.Ports; len(got) != 0 {
		t.Errorf("published on an internal network: %v", got)
	}
	if err := n.Undefine(t.Context(), web.ID); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("removing a network that is in use: %v", err)
	}
}

func TestPortsOnANamedNetwork(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, definition.Network{Subnet: someSubnet(), Name: "web", Options: map[string]string{definition.OptionHostIP: "127.0.0.1"}})
	cfg := on(web)
	cfg.Ports = []publish.Port{{ContainerPort: 7000}}
	e := connect(t, n, newID(), cfg)
	serve(t, e, "hello")
	p := e.State.Ports[0]
	if p.HostIP != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("published on %s", p)
	}
	if got := ask(net.JoinHostPort("127.0.0.1", portText(p))); got != "hello" {
		t.Errorf("the port answers %q", got)
	}
}

func portText(p publish.Port) string {
	_, text, _ := net.SplitHostPort(strings.TrimSuffix(p.String(), "/tcp"))
	return text
}

// lookup asks the resolver of a container.
func lookup(t *testing.T, e *Endpoint, name string) string {
	t.Helper()
	var got string
	inside(t, e, func() {
		conn, err := net.DialTimeout("udp4", "127.0.0.11:53", time.Second)
		if err != nil {
			got = err.Error()
			return
		}
		r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		addrs, err := r.LookupNetIP(ctx, "ip4", name+".")
		if err != nil {
			got = "no such name"
			return
		}
		got = addrs[0].Unmap().String()
	})
	return got
}

func TestNamesAndJoining(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, definition.Network{Subnet: someSubnet(), Name: "web", Internal: true}) // asks nobody outside
	front := define(t, n, definition.Network{Subnet: someSubnet(), Name: "front"})
	asking := connect(t, n, newID(), on(web))
	cfg := on(front)
	cfg.Name, cfg.DNS = "db", []string{"127.0.0.1"}
	id := ids.New()
	db := connect(t, n, id, cfg)
	if got := lookup(t, asking, "db"); got != "no such name" {
		t.Errorf("db is on another network, and has address %s", got)
	}
	running := Running{ID: id, Name: "db", Owner: process.Self(), Attached: db.State.Attached}
	pid, stop := holdNamespace(t, db)
	defer stop()
	running.PID = pid
	got, err := n.Join(running, Attachment{Network: web.ID, Name: "web", Aliases: []string{"data"}})
	if err != nil {
		t.Fatal(err)
	}
	running.Attached = append(running.Attached, got)
	for _, name := range []string{"db", "data", ids.Short(id)} {
		if ip := lookup(t, asking, name); ip != got.IP.Addr().String() {
			t.Errorf("%s is %s, want %s", name, ip, got.IP)
		}
	}
	if err := n.Renamed(id, "store"); err != nil {
		t.Fatal(err)
	}
	if ip := lookup(t, asking, "store"); ip != got.IP.Addr().String() {
		t.Errorf("store is %s", ip)
	}
	if ip := lookup(t, asking, "db"); ip != "no such name" {
		t.Errorf("db is %s after the rename", ip)
	}
	if err := n.Leave(running, got); err != nil {
		t.Fatal(err)
	}
	if ip := lookup(t, asking, "store"); ip != "no such name" {
		t.Errorf("store is %s after it left", ip)
	}
}

// holdNamespace has a process live in the endpoint's namespace.
func holdNamespace(t *testing.T, e *Endpoint) (pid int, stop func()) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sleep", "1000")
	var err error
	inside(t, e, func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
}
