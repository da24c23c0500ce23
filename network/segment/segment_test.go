package segment

import (
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"cove/internal/process"
	"cove/network/definition"
	"cove/network/ipam"
)

func TestDefault(t *testing.T) {
	t.Parallel()
	if s := Default("/var/lib/cove"); s.Bridge != "cove0" || s.Table != "cove" || s.Dir != "/var/lib/cove/network" {
		t.Errorf("got %+v", s)
	}
	if a, b := Default("/a"), Default("/b"); a.Bridge == b.Bridge || a.Table != a.Bridge {
		t.Errorf("got %+v and %+v", a, b)
	}
}

func TestDefaultBridgeAvoidsNetworksThatAreDown(t *testing.T) {
	t.Parallel()
	s := Default(t.TempDir())
	def := definition.Network{Name: "web", Subnet: netip.MustParsePrefix("10.83.0.0/16")}
	_, err := definition.Open(s.Dir).Add(t.Context(), def,
		func(d *definition.Network, _ []definition.Network) error { return d.Complete() },
		func(definition.Network) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if all := s.avoid(); all[len(all)-1] != def.Subnet {
		t.Errorf("it avoids %v", all)
	}
}

// inNamespace runs fn in an empty network namespace, where nothing touches the host.
func inNamespace(t *testing.T, fn func(*netlink.Handle)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		var host *netlink.Handle
		if err == nil {
			host, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		}
		if err == nil {
			fn(host)
			host.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestLife raises a network for its first container, and lowers it after the last.
func TestLife(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(host *netlink.Handle) {
		s := Default(t.TempDir())
		lease := func(id string, pool *ipam.Pool) error {
			link, err := s.Ensure(host, pool)
			if err != nil {
				return err
			}
			ip, err := pool.Assign(id, netip.Addr{})
			pool.Leases[id] = ipam.Lease{IP: ip, Owner: process.Self()}
			if link.Attrs().Name != s.Bridge || !pool.Subnet.Contains(ip) {
				t.Errorf("link %s, address %s of %s", link.Attrs().Name, ip, pool.Subnet)
			}
			return err
		}
		for _, id := range []string{"a", "b"} {
			if err := ipam.Update(s.Dir, func(pool *ipam.Pool) error { return lease(id, pool) }); err != nil {
				t.Error(err)
				return
			}
		}
		there := func() bool {
			_, err := host.LinkByName(s.Bridge)
			_, rules, ferr := s.Rules(&ipam.Pool{})[0].Targets()
			if ferr != nil || rules != (err == nil) {
				t.Errorf("rules: %v, %v; link: %v", rules, ferr, err)
			}
			return err == nil
		}
		if gone, err := s.Clean(); err != nil || len(gone) > 0 || !there() {
			t.Errorf("Clean took %v of the living, %v", gone, err)
		}
		for i, id := range []string{"a", "b"} {
			if err := s.Release(id, "somebody else"); err != nil || !there() {
				t.Errorf("%s is released by who does not hold it: %v", id, err)
			}
			if err := s.Release(id, process.Self()); err != nil || there() != (i == 0) {
				t.Errorf("after %s: there is %v, %v", id, there(), err)
			}
		}
	})
}
