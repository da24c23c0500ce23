package ipam

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
	"cove/internal/process"
	"cove/network/publish"
)

func TestAssign(t *testing.T) {
	t.Parallel()
	pool := &Pool{Subnet: netip.MustParsePrefix("10.9.0.0/29"), Leases: map[string]Lease{}}
	get := func(id, want string) string {
		var wanted netip.Addr
		if want != "" {
			wanted = netip.MustParseAddr(want)
		}
		ip, err := pool.Assign(id, wanted)
		switch {
		case errors.Is(err, errdefs.ErrExhausted):
			return "exhausted"
		case errors.Is(err, errdefs.ErrConflict):
			return "conflict"
		case errors.Is(err, errdefs.ErrInvalid):
			return "invalid"
		case err != nil:
			return err.Error()
		}
		return ip.String()
	}
	var got []string
	for _, step := range [][2]string{
		{"a", ""}, {"b", ""}, {"c", "10.9.0.4"}, {"d", ""}, // .4 is taken
		{"-b", ""}, {"e", ""}, {"f", ""}, {"g", ""}, // .6, then round to .3, then none
		{"h", "10.9.0.1"}, {"h", "10.9.0.7"}, {"h", "10.9.1.1"},
	} {
		if id, release := step[0][1:], step[0][0] == '-'; release {
			delete(pool.Leases, id)
			continue
		}
		got = append(got, get(step[0], step[1]))
	}
	want := []string{
		"10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.3", "exhausted",
		"conflict", "invalid", "invalid",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDropDead: what a process that has ended held is given up when it is wanted.
func TestDropDead(t *testing.T) {
	t.Parallel()
	port := publish.Port{HostPort: 80, ContainerPort: 80}
	pool := &Pool{Subnet: netip.MustParsePrefix("10.9.0.0/24"), Leases: map[string]Lease{
		"living": {IP: netip.MustParseAddr("10.9.0.2"), Owner: process.Self()},
		"dead":   {IP: netip.MustParseAddr("10.9.0.3"), Owner: "1 1", Ports: []publish.Port{port}},
		"spared": {IP: netip.MustParseAddr("10.9.0.4"), Owner: "1 1"},
	}}
	if id, ok := pool.PortHolder(port); !ok || id != "dead" {
		t.Errorf("the port is %s's, %v", id, ok)
	}
	dead := pool.DropDead(func(l Lease) bool { return l.IP != netip.MustParseAddr("10.9.0.4") })
	if len(dead) != 1 || dead[0].IP != netip.MustParseAddr("10.9.0.3") || len(pool.Leases) != 2 {
		t.Errorf("dropped %+v, left %+v", dead, pool.Leases)
	}
	if _, ok := pool.PortHolder(port); ok || !pool.HasFree() {
		t.Error("the port is still held")
	}
}

// TestUpdate: a change that fails is none, and what cannot be read begins anew.
func TestUpdate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	count := func() (n int) {
		t.Helper()
		if err := Update(dir, func(p *Pool) error { n = len(p.Leases); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	add := func(p *Pool) error { p.Leases["a"] = Lease{Owner: "1 1"}; return nil }
	refused := errors.New("refused")
	if err := Update(dir, func(p *Pool) error { _ = add(p); return refused }); !errors.Is(err, refused) || count() != 0 {
		t.Errorf("%v; %d leases after a change that failed", err, count())
	}
	if err := Update(dir, add); err != nil || count() != 1 {
		t.Errorf("%v; %d leases", err, count())
	}
	if err := os.WriteFile(filepath.Join(dir, "ipam.json"), []byte(`{"boot":"x`), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("%d leases of a torn file", n)
	}
}

// TestChange has a pool that is taken away, while others wait for it, stay away.
func TestChange(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pool")
	never := func(*Pool) error { return errors.New("there is no pool") }
	if err := Change(dir, never); err != nil {
		t.Error(err)
	}
	if err := Update(dir, func(*Pool) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	err := Update(dir, func(*Pool) error {
		for range 8 {
			waiting.Go(func() {
				if err := Change(dir, never); err != nil {
					t.Error(err)
				}
			})
		}
		return os.Rename(dir, dir+".removed")
	})
	if err != nil {
		t.Error(err)
	}
	waiting.Wait()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there again: %v", err)
	}
}
