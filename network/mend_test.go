package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/network/definition"
	"cove/network/ipam"
	"cove/network/publish"
)

// TestRulesAreMadeAgain flushes what a network has, as a firewall does that reloads: the
// port is published again though nobody does anything.
func TestRulesAreMadeAgain(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, six("web"))
	cfg := on(web)
	cfg.Ports = []publish.Port{{ContainerPort: 7000}}
	e := connect(t, n, newID(), cfg)
	serveBoth(t, e, "hello")
	port := e.State.Ports[0].HostPort
	to := []string{fmt.Sprintf("%s:%d", e.State.Gateway, port), at(e.State.Gateway6, port)}
	seg, err := n.segmentOf(web.ID)
	if err != nil {
		t.Fatal(err)
	}
	whole := func() (whole bool) {
		if err := ipam.Update(seg.Dir, func(pool *ipam.Pool) (err error) {
			whole, err = seg.Rules(pool).Whole()
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return whole
	}
	for _, lost := range []string{"delete table ip " + web.Table(), "flush table ip6 " + web.Table()} {
		if out, err := exec.Command("nft", lost).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", lost, err, out)
		}
		for end := time.Now().Add(10 * time.Second); !whole() && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		for _, addr := range to {
			if got := ask(addr); !strings.HasPrefix(got, "hello") {
				t.Errorf("after %s: %s answers %q", lost, addr, got)
			}
		}
	}
	if mended, err := seg.Mend(); mended || err != nil {
		t.Errorf("what is whole is mended: %v, %v", mended, err)
	}
}

// TestBridgeIsRaisedAtOnce has the subnet be taken from when the network is made, and
// the bridge made again that somebody removed.
func TestBridgeIsRaisedAtOnce(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n, other := testNetwork(t), testNetwork(t)
	web := define(t, n, six("web"))
	has := func() []string {
		link, err := net.InterfaceByName(web.Bridge())
		if err != nil {
			return nil
		}
		addrs, err := link.Addrs()
		if err != nil {
			t.Error(err)
		}
		var all []string
		for _, a := range addrs {
			all = append(all, a.String())
		}
		return all
	}
	check := func(when string) {
		t.Helper()
		for _, want := range []netip.Prefix{
			netip.PrefixFrom(web.Gateway, web.Subnet.Bits()), netip.PrefixFrom(web.V6.Gateway, web.V6.Subnet.Bits()),
		} {
			if all := has(); !slices.Contains(all, want.String()) {
				t.Errorf("%s: the bridge has %v, not %s", when, all, want)
			}
		}
	}
	check("before any container")
	for _, def := range []definition.Network{
		{Name: "web", Subnet: web.Subnet},
		{Name: "web", Subnet: someSubnet(), V6: definition.Space{Subnet: web.V6.Subnet}},
	} {
		if _, err := other.Define(t.Context(), def); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("another root takes its subnet: %v", err)
		}
	}
	if err := connect(t, n, newID(), on(web)).Close(); err != nil {
		t.Error(err)
	}
	if _, err := n.Clean(); err != nil {
		t.Error(err)
	}
	check("after the last container, and a prune")
	if out, err := exec.Command("ip", "link", "del", web.Bridge()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := n.Mend()
	if err != nil || len(made) != 1 || !strings.Contains(made[0], "of network web") {
		t.Errorf("made again: %v, %v", made, err)
	}
	check("after it was removed")
	// One that was removed while nobody looked comes with the next container, too.
	_ = exec.Command("ip", "link", "del", web.Bridge()).Run()
	connect(t, n, newID(), on(web))
	check("with a container")
	if pool, err := ipam.Read(n.defs.Dir(web.ID)); err != nil || len(pool.Leases) != 1 {
		t.Errorf("leases %v, %v", pool, err)
	}
}

// TestExplain follows a port to who listens, and tells a rule that is gone.
func TestExplain(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, six("web"))
	cfg := on(web)
	cfg.Ports = []publish.Port{{ContainerPort: 7000}}
	e := connect(t, n, newID(), cfg)
	pid, stop := holdNamespace(t, e)
	defer stop()
	follow := func(p publish.Port) Explained {
		t.Helper()
		got, err := n.Explain(e.id, pid, p)
		if err != nil {
			t.Error(err)
		}
		return got
	}
	if got := follow(e.State.Ports[0]); got.Reached() || got.Missing || got.Rule == nil {
		t.Errorf("before anybody listens: %+v", got)
	}
	serveBoth(t, e, "hello")
	for _, p := range e.State.Ports {
		got := follow(p)
		to := e.State.IP.Addr()
		if p.IPv6() {
			to = e.State.IP6.Addr()
		}
		if !got.Reached() || got.Rule == nil || got.Rule.To != netip.AddrPortFrom(to, 7000) || got.To != got.Rule.To ||
			got.Carried != p.IPv6() || !strings.Contains(got.Holder, "(pid") {
			t.Errorf("%s: %+v", p, got)
		}
	}
	e.rules.Close() // nobody makes them again
	e.rules = nil
	if out, err := exec.Command("nft", "delete table ip "+web.Table()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := follow(e.State.Ports[0]); !got.Missing || got.Rule != nil {
		t.Errorf("without the rule: %+v", got)
	}
	if _, err := n.Explain(e.id, pid, publish.Port{HostPort: 1, ContainerPort: 1}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a port of nobody: %v", err)
	}
}
