package network

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

// TestLinkLocal reaches a container by addresses of the link that it asked for, from
// another that has such ones.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	needRoot(t)
	n := testNetwork(t)
	web := define(t, n, six("web"))
	asks := func(texts ...string) Config {
		cfg := on(web)
		for _, text := range texts {
			cfg.Attachments[0].LinkLocal = append(cfg.Attachments[0].LinkLocal, netip.MustParseAddr(text))
		}
		return cfg
	}
	server := connect(t, n, newID(), asks("169.254.8.8", "fe80::8"))
	client := connect(t, n, newID(), asks("169.254.8.9"))
	serveBoth(t, server, "hello")
	var has []string
	inside(t, server, func() {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			t.Error(err)
			return
		}
		addrs, err := link.Addrs()
		if err != nil {
			t.Error(err)
		}
		for _, a := range addrs {
			has = append(has, a.String())
		}
	})
	for _, want := range []string{"169.254.8.8/16", "fe80::8/64", server.State.IP.String(), server.State.IP6.String()} {
		if !slices.Contains(has, want) {
			t.Errorf("%s is not among %q", want, has)
		}
	}
	inside(t, client, func() {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			t.Error(err)
			return
		}
		// By number: the library keeps what interfaces of another namespace are called.
		for _, to := range []string{"169.254.8.8", "fe80::8%" + strconv.Itoa(link.Index)} {
			c, err := net.Dial("tcp", net.JoinHostPort(to, "7000"))
			if err != nil {
				t.Error(err)
				continue
			}
			c.Close()
		}
	})
	if got := server.State.Attached[0].LinkLocal; len(got) != 2 {
		t.Errorf("told of %v", got)
	}
}
