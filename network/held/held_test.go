package held

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"cove/errdefs"
	"cove/network/ipam"
	"cove/network/publish"
)

// TestReserveOfARange has another program on the first number of three.
func TestReserveOfARange(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("127.83.4.19") // nobody else's
	other, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	first := uint16(other.Addr().(*net.TCPAddr).Port)
	if first > 65533 {
		t.Skip("the port that was free has none after it")
	}
	asked := []publish.Port{{HostIP: addr, HostPort: first, HostLast: first + 2, ContainerPort: 80}}
	pool := &ipam.Pool{Subnet: netip.MustParsePrefix("10.99.0.0/24"), Leases: map[string]ipam.Lease{}}
	for _, want := range []uint16{first + 1, first + 2} {
		got, err := Reserve(pool, asked, false)
		if err != nil || len(got) != 1 || got[0].Port.HostPort != want || got[0].Port.HostLast != 0 {
			t.Fatalf("%+v, %v; want %d", got, err, want)
		}
		defer Close(got)
		if kept, missing := Split(got, [][]publish.Port{asked}); len(kept) != 1 || len(missing) != 0 {
			t.Errorf("asked for again: %v, %v", kept, missing)
		}
	}
	if got, err := Reserve(pool, asked, false); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("all in use: %+v, %v", got, err)
	}
}
