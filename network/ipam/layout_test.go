package ipam

import (
	"errors"
	"net/netip"
	"testing"

	"cove/errdefs"
)

func TestLayout(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	pool := &Pool{
		Subnet: netip.MustParsePrefix("10.9.0.0/24"), Leases: map[string]Lease{},
		Layout: Layout{
			Gateway: addr("10.9.0.129"), Range: netip.MustParsePrefix("10.9.0.128/30"),
			Reserved: []netip.Addr{addr("10.9.0.130")},
		},
	}
	if pool.Gateway() != addr("10.9.0.129") {
		t.Errorf("the gateway is %s", pool.Gateway())
	}
	// The range has four addresses; one is the gateway's, one is reserved.
	for i, want := range []string{"10.9.0.128", "10.9.0.131"} {
		if !pool.HasFree() {
			t.Errorf("after %d nothing is free", i)
		}
		if got, err := pool.Assign(string(rune('a'+i)), netip.Addr{}); err != nil || got != addr(want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if pool.HasFree() {
		t.Error("something is free")
	}
	tests := []struct {
		name, want string
		kind       error
	}{
		{"a full range", "", errdefs.ErrExhausted},
		{"one beside the range", "10.9.0.7", nil},
		{"a reserved one", "10.9.0.130", errdefs.ErrConflict},
		{"the gateway", "10.9.0.129", errdefs.ErrConflict},
		{"one of another subnet", "10.8.0.1", errdefs.ErrInvalid},
	}
	for _, tt := range tests {
		var want netip.Addr
		if tt.want != "" {
			want = addr(tt.want)
		}
		if got, err := pool.Assign(tt.name, want); !errors.Is(err, tt.kind) || err == nil && got != want {
			t.Errorf("%s: %s, %v", tt.name, got, err)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if pool, err := Read(dir); err != nil || len(pool.Leases) != 0 {
		t.Errorf("of an empty directory: %+v, %v", pool, err)
	}
	want := Lease{IP: netip.MustParseAddr("10.9.0.2"), Name: "db", Aliases: []string{"data"}, MAC: "02:42:0a:00:00:09"}
	if err := Update(dir, func(p *Pool) error { p.Leases["x"] = want; return nil }); err != nil {
		t.Fatal(err)
	}
	pool, err := Read(dir)
	if got := pool.Leases["x"]; err != nil || got.Name != want.Name || got.MAC != want.MAC || got.IP != want.IP {
		t.Errorf("read %+v, %v", got, err)
	}
}
