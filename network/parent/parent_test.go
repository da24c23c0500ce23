package parent

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// inNamespace runs fn in an empty network namespace with two links, p0 and p1, and a
// second namespace for containers.
func inNamespace(t *testing.T, fn func(h, inside *netlink.Handle, ns int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		container, err := netns.New()
		if err != nil {
			t.Error(err)
			return
		}
		defer container.Close()
		inside, err := netlink.NewHandleAt(container, unix.NETLINK_ROUTE)
		if err == nil {
			defer inside.Close()
			err = unix.Unshare(unix.CLONE_NEWNET)
		}
		var h *netlink.Handle
		if err == nil {
			h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		}
		if err == nil {
			defer h.Close()
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.Flags = "p0", net.FlagUp
			err = h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "p1"})
		}
		if err != nil {
			t.Error(err)
			return
		}
		fn(h, inside, int(container))
	}()
	<-done
}

func TestPlug(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(h, inside *netlink.Handle, ns int) {
		link, err := Ensure(h, Wanted{Name: "p0", Alias: "test"})
		if err != nil || link.Attrs().Alias != "" {
			t.Errorf("a parent that is there: %v, %v", link, err)
			return
		}
		mac := net.HardwareAddr{0x02, 0x42, 1, 2, 3, 4}
		for i, mode := range []string{"", "private", "vepa"} {
			c := Child{Name: "eth" + string(rune('0'+i)), MAC: mac, MTU: 1400, Mode: mode}
			c.MAC[5] = byte(i)
			if err := Plug(h, ns, link, c); err != nil {
				t.Errorf("mode %q: %v", mode, err)
				continue
			}
			got, err := inside.LinkByName(c.Name)
			if err != nil {
				t.Error(err)
				continue
			}
			is, ok := got.(*netlink.Macvlan)
			if !ok || is.Mode != macvlanModes[mode] || is.MTU != 1400 || is.HardwareAddr.String() != c.MAC.String() {
				t.Errorf("mode %q: %+v", mode, got)
			}
		}
		if err := Plug(h, ns, link, Child{Name: "eth9", Mode: Passthru}); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("one that would have the parent alone: %v", err)
		}
		for _, name := range []string{"eth0", "eth0"} { // the second time it is gone
			if err := Unplug(inside, name); err != nil {
				t.Error(err)
			}
		}
		if _, err := inside.LinkByName("eth0"); err == nil {
			t.Error("it is still there")
		}
		if err := Release(Wanted{Name: "p0", Alias: "test"}, ""); err != nil {
			t.Error(err)
		}
		if _, err := h.LinkByName("p0"); err != nil {
			t.Errorf("a parent that nobody made was removed: %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(h, _ *netlink.Handle, ns int) {
		for name, kind := range map[string]error{
			"lo": errdefs.ErrInvalid, "nope": errdefs.ErrNotFound, "nope.5": errdefs.ErrNotFound, "p0.x": errdefs.ErrNotFound,
			"p0.4095": errdefs.ErrNotFound,
		} {
			if _, err := Ensure(h, Wanted{Name: name}); !errors.Is(err, kind) {
				t.Errorf("parent %s: %v", name, err)
			}
		}
		down, err := h.LinkByName("p1")
		if err != nil {
			t.Error(err)
			return
		}
		if err := Plug(h, ns, down, Child{Name: "eth0"}); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("a parent that is down: %v", err)
		}
	})
}

// What this kernel has not is told by the name of the module.
func TestKernelWithout(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(h, inside *netlink.Handle, ns int) {
		up, err := h.LinkByName("p0")
		if err != nil {
			t.Error(err)
			return
		}
		err = Plug(h, ns, up, Child{Name: "eth0", IPvlan: true, Mode: "l3", Flag: "private"})
		switch got, lerr := inside.LinkByName("eth0"); {
		case err == nil:
			is, ok := got.(*netlink.IPVlan)
			if lerr != nil || !ok || is.Mode != netlink.IPVLAN_MODE_L3 || is.Flag != netlink.IPVLAN_FLAG_PRIVATE {
				t.Errorf("%+v, %v", got, lerr)
			}
		case !errors.Is(err, errdefs.ErrUnsupported):
			t.Error(err)
		}
		for _, w := range []Wanted{{Name: "dm-1", Dummy: true, Alias: "one"}, {Name: "p0.50", Alias: "one"}} {
			if !w.Makes() && w.Dummy {
				t.Errorf("%s cannot be made", w.Name)
			}
			_, err := Ensure(h, w)
			if errors.Is(err, errdefs.ErrUnsupported) {
				continue
			}
			if err != nil {
				t.Error(err)
				continue
			}
			if err := errors.Join(Release(w, "two"), Release(w, "")); err != nil {
				t.Error(err)
			}
			if _, err := h.LinkByName(w.Name); err != nil {
				t.Errorf("%s is another network's now, and gone: %v", w.Name, err)
			}
			w.Alias = "two"
			if err := Release(w, ""); err != nil {
				t.Error(err)
			}
			if _, err := h.LinkByName(w.Name); err == nil {
				t.Errorf("%s is still there", w.Name)
			}
		}
	})
}

func TestVLAN(t *testing.T) {
	t.Parallel()
	for parent, number := range map[string]int{"eth0.10": 10, "a.b.4094": 4094, "eth0": 0, "eth0.0": 0, ".5": 0, "eth0.4095": 0} {
		if _, got, ok := vlan(parent); ok != (number > 0) || ok && got != number {
			t.Errorf("%s: %d, %v", parent, got, ok)
		}
	}
}
