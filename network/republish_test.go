package network

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/network/definition"
	"cove/network/held"
	"cove/network/ipam"
	"cove/network/publish"
)

// TestRepublish adds, moves and takes away ports of a container that is connected, of
// both families, and keeps what there was when one cannot be had.
func TestRepublish(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, six("web"))
	e := connect(t, n, newID(), on(web))
	serveBoth(t, e, "hello")
	republish := func(ports ...publish.Port) []uint16 {
		t.Helper()
		if err := e.Republish(ports); err != nil {
			t.Fatal(err)
		}
		pool, err := ipam.Read(e.links[0].seg.Dir)
		if err != nil || !slices.Equal(pool.Leases[e.id].Ports, e.State.Ports) || len(e.listeners) != len(e.State.Ports) {
			t.Fatalf("lease %v, state %v, %d sockets, %v", pool.Leases[e.id].Ports, e.State.Ports, len(e.listeners), err)
		}
		var numbers []uint16
		for _, p := range e.State.Ports {
			numbers = append(numbers, p.HostPort)
		}
		return numbers
	}
	answers := func(host string, port uint16, want bool) {
		t.Helper()
		got := ask(net.JoinHostPort(host, strconv.Itoa(int(port))))
		if strings.HasPrefix(got, "hello") != want {
			t.Errorf("%s:%d: %q, want an answer: %v", host, port, got, want)
		}
	}
	first := republish(publish.Port{ContainerPort: 7000})
	if len(first) != 2 || first[0] != first[1] {
		t.Fatalf("published are %v", e.State.Ports)
	}
	answers("127.0.0.1", first[0], true)
	answers("::1", first[0], true)
	before := slices.Clone(e.listeners)

	// One more leaves the first as it is.
	both := republish(publish.Port{ContainerPort: 7000}, publish.Port{ContainerPort: 7000, HostIP: netip.IPv6Loopback()})
	if len(both) != 3 || !slices.Equal(both[:2], first) || len(held.Without(before, e.listeners)) != 0 {
		t.Fatalf("published are %v", e.State.Ports)
	}
	answers("::1", both[2], true)
	answers("127.0.0.1", first[0], true)

	// What cannot be had changes nothing.
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	busy := uint16(l.Addr().(*net.TCPAddr).Port)
	err = e.Republish([]publish.Port{{ContainerPort: 7000, HostPort: busy}})
	if !errors.Is(err, errdefs.ErrConflict) || !slices.Equal(e.State.Ports, []publish.Port{
		{ContainerPort: 7000, HostPort: first[0], HostIP: e.State.Ports[0].HostIP},
		{ContainerPort: 7000, HostPort: first[0], HostIP: netip.IPv6Unspecified()},
		{ContainerPort: 7000, HostPort: both[2], HostIP: netip.IPv6Loopback()},
	}) {
		t.Errorf("%v; published are %v", err, e.State.Ports)
	}
	answers("127.0.0.1", first[0], true)
	answers("::1", both[2], true)

	// The same number leads to another port, and back.
	republish(publish.Port{ContainerPort: 7001, HostPort: first[0]})
	answers("127.0.0.1", first[0], false)
	answers("::1", both[2], false)
	republish(publish.Port{ContainerPort: 7000, HostPort: first[0]})
	answers("127.0.0.1", first[0], true)
	answers("::1", first[0], true)

	if left := republish(); len(left) != 0 {
		t.Errorf("published are %v", left)
	}
	answers("127.0.0.1", first[0], false)
	if err := e.Republish([]publish.Port{{}}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Error(err)
	}
	inner := connect(t, n, newID(), on(define(t, n, definition.Network{Name: "inner", Internal: true})))
	if err := inner.Republish([]publish.Port{{ContainerPort: 1}}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("on an internal network: %v", err)
	}
	alone := &Endpoint{}
	if err := errors.Join(alone.Republish(nil), inner.Republish(nil)); err != nil {
		t.Error(err)
	}
	if err := alone.Republish([]publish.Port{{ContainerPort: 1}}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("without a network: %v", err)
	}
}
