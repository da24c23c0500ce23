package namespace

import (
	"net"
	"net/netip"
	"os"
	"testing"
)

func TestNamespace(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	ns, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := ns.RaiseLoopback(); err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	var links []net.Interface
	err = ns.Inside(func() (err error) {
		if l, err = net.Listen("tcp4", "127.0.0.11:0"); err != nil {
			return err
		}
		links, err = net.Interfaces()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, link := range links {
		if link.Name != "lo" && link.Flags&net.FlagUp != 0 {
			t.Errorf("%s is in a new namespace, and up", link.Name)
		}
	}
	// The socket stayed inside: it is not reached from here.
	if c, err := net.Dial("tcp4", l.Addr().String()); err == nil {
		c.Close()
		t.Errorf("%s answers outside", l.Addr())
	}
	if _, err := os.Stat(ns.Path()); err != nil {
		t.Error(err)
	}
	end := End{Interface: "eth0", IP: netip.MustParsePrefix("10.9.0.2/16"), Gateway: netip.MustParseAddr("10.9.0.1")}
	if err := ns.Wire(end, true); err == nil {
		t.Error("an interface that is not there was wired")
	}
}
