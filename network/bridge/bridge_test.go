package bridge

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func TestFirstFree(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix
	got, err := firstFree(subnets(), []netip.Prefix{p("172.30.4.0/24"), p("172.28.0.0/15"), p("172.27.0.1/32")})
	if err != nil || got != p("172.26.0.0/16") {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := firstFree(subnets(), []netip.Prefix{p("0.0.0.0/0")}); !errors.Is(err, errdefs.ErrExhausted) {
		t.Error(err)
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	for err, denied := range map[error]bool{unix.EPERM: true, unix.EACCES: true, unix.ENODEV: false} {
		got := Denied("raising it", err)
		if errors.Is(got, errdefs.ErrDenied) != denied || !strings.Contains(got.Error(), "raising it") {
			t.Errorf("%v: %v", err, got)
		}
		if !denied && !errors.Is(got, err) {
			t.Errorf("%v: lost in %v", err, got)
		}
	}
}

// TestMAC has one address for an IP, of the range that anybody may use, and others for
// other IPs: a successor of a container at its address is found by its neighbours.
func TestMAC(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, ip := range []string{"172.30.0.2", "172.30.0.3", "10.1.0.2"} {
		mac := MACOf(netip.MustParseAddr(ip))
		if mac[0]&3 != 2 || seen[mac.String()] || MACOf(netip.MustParseAddr(ip)).String() != mac.String() {
			t.Errorf("%s: %s", ip, mac)
		}
		seen[mac.String()] = true
	}
}
