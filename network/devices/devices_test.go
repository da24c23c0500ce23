package devices

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// onHost runs fn in a network namespace of its own, as on a host that has no other
// devices, beside a process with another one.
func onHost(t *testing.T, fn func(container int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces and devices")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		cmd := exec.Command("sleep", "100")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			fn(cmd.Process.Pid)
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// veth makes a pair of devices, of which the first gets addresses and is up.
func veth(t *testing.T, name string, addresses ...string) {
	t.Helper()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "-peer"}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Error(err)
		return
	}
	for _, text := range addresses {
		addr, err := netlink.ParseAddr(text)
		if err == nil {
			err = netlink.AddrAdd(pair, addr)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := netlink.LinkSetUp(pair); err != nil {
		t.Error(err)
	}
}

// devices are the names, states and lasting global addresses in the namespace of a
// process, but for its loopback.
func devicesOf(t *testing.T, pid int) (all []string) {
	t.Helper()
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil {
		t.Error(err)
	}
	for _, l := range links {
		if l.Attrs().Name == "lo" {
			continue
		}
		text := l.Attrs().Name
		if l.Attrs().Flags&net.FlagUp != 0 {
			text += " up"
		}
		addrs, err := h.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			t.Error(err)
		}
		for _, a := range addrs {
			if a.Scope == unix.RT_SCOPE_UNIVERSE {
				text += " " + a.IPNet.String()
			}
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

func TestMove(t *testing.T) {
	t.Parallel()
	onHost(t, func(container int) {
		veth(t, "one", "10.9.0.1/24", "10.9.1.1/16")
		veth(t, "two", "10.8.0.1/24")
		veth(t, "three")
		// An address of a lease is the host's to renew, and does not come along.
		two, err := netlink.LinkByName("two")
		if err != nil {
			t.Error(err)
			return
		}
		leased, err := netlink.ParseAddr("10.8.0.2/24")
		if err != nil {
			t.Error(err)
			return
		}
		leased.ValidLft, leased.PreferedLft = 1000, 1000
		if err := netlink.AddrAdd(two, leased); err != nil {
			t.Error(err)
		}
		if err := Move(container, map[string]string{"one": "", "two": "lan", "three": "net%d"}); err != nil {
			t.Error(err)
		}
		want := []string{"lan up 10.8.0.1/24", "net0 up", "one up 10.9.0.1/24 10.9.1.1/16"}
		if got := devicesOf(t, container); !slices.Equal(got, want) {
			t.Errorf("in the container: %q, want %q", got, want)
		}
		if _, err := netlink.LinkByName("one"); err == nil {
			t.Error("it is on the host, too")
		}
		veth(t, "four", "10.7.0.1/24")
		for to, kind := range map[string]error{"lan": errdefs.ErrExists, "lo": errdefs.ErrExists} {
			err := Move(container, map[string]string{"four": to})
			if !errors.Is(err, kind) || !strings.Contains(err.Error(), "device four") {
				t.Errorf("to %s: %v", to, err)
			}
		}
		if err := Move(container, map[string]string{"nosuch": ""}); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("no such device: %v", err)
		}
		// What was refused is as it was.
		if four, err := netlink.LinkByName("four"); err != nil || four.Attrs().Flags&net.FlagUp == 0 {
			t.Errorf("%+v, %v", four, err)
		}
	})
	if err := Move(1<<30, map[string]string{"lo": ""}); err == nil {
		t.Error("moved to a process that is not there")
	}
}
