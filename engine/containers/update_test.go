package containers

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cove/errdefs"
	"cove/network"
	"cove/network/publish"
	"cove/runner/record"
)

// TestRepublished changes a list of ports by what is added and taken away.
func TestRepublished(t *testing.T) {
	t.Parallel()
	local := netip.MustParseAddr("127.0.0.1")
	web := publish.Port{HostPort: 8080, ContainerPort: 80}
	near := publish.Port{HostIP: local, HostPort: 8081, ContainerPort: 80}
	names := publish.Port{HostPort: 53, ContainerPort: 53, Proto: "udp"}
	some := publish.Port{ContainerPort: 90}
	cfg := record.Config{Name: "web", Network: network.Config{Ports: []publish.Port{web, near, names}}}
	type ports = []publish.Port
	for _, tc := range []struct {
		name        string
		add, remove ports
		want        ports
		kind        error
	}{
		{"nothing", nil, nil, ports{web, near, names}, nil},
		{"one more", ports{some}, nil, ports{web, near, names, some}, nil},
		{"by the container's port", nil, ports{{ContainerPort: 80}}, ports{names}, nil},
		{"by the host's", nil, ports{{HostPort: 8081, ContainerPort: 80}}, ports{web, names}, nil},
		{"by the address", nil, ports{{HostIP: local, HostPort: 8081, ContainerPort: 80, Proto: "tcp"}}, ports{web, names}, nil},
		{"moved", ports{{HostPort: 8080, ContainerPort: 81}}, ports{web}, ports{near, names, {HostPort: 8080, ContainerPort: 81}}, nil},
		{"another protocol", nil, ports{{ContainerPort: 53}}, nil, errdefs.ErrNotFound},
		{"another address", nil, ports{{HostIP: local, HostPort: 8080, ContainerPort: 80}}, nil, errdefs.ErrNotFound},
		{"twice", ports{{HostPort: 8080, ContainerPort: 81}}, nil, nil, errdefs.ErrConflict},
	} {
		got, err := republished(cfg, UpdateOptions{Publish: tc.add, Unpublish: tc.remove})
		if !errors.Is(err, tc.kind) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{-1: -time.Second, 0: 0, 10: 10 * time.Second} {
		if got := Seconds(n); got != want {
			t.Errorf("%d are %v", n, got)
		}
	}
	for _, n := range []int{1 << 40, 1<<63 - 1} { // more than a Duration has
		if got := Seconds(n); got < 24*365*time.Hour {
			t.Errorf("%d are %v", n, got)
		}
		if got := Seconds(-n); got >= 0 {
			t.Errorf("%d are %v", -n, got)
		}
	}
}
