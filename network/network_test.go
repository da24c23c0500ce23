package network

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
)

func TestResolvConf(t *testing.T) {
	t.Parallel()
	const host = "# made by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch corp.example\noptions edns0\n"
	tests := []struct {
		name, host string
		cfg        Config
		want       string
	}{
		{"loopback servers are left out", host, Config{}, "nameserver 10.0.0.2\nsearch corp.example\noptions edns0\n"},
		{"the host's network keeps them", host, Config{Mode: Host}, "nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch corp.example\noptions edns0\n"},
		{"none left", "nameserver ::1\n", Config{}, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"},
		{"none needed", "nameserver ::1\n", Config{Mode: None}, ""},
		{"flags replace", host, Config{DNS: []string{"1.1.1.1"}, DNSSearch: []string{"a", "b"}, DNSOptions: []string{"ndots:2"}}, "nameserver 1.1.1.1\nsearch a b\noptions ndots:2\n"},
		{"a dot searches nothing", host, Config{DNSSearch: []string{"."}}, "nameserver 10.0.0.2\noptions edns0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, string(resolvConf([]byte(tt.host), tt.cfg))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	st := State{IP: netip.MustParsePrefix("172.30.0.2/16"), Gateway: netip.MustParseAddr("172.30.0.1")}
	got := string(Hosts(Config{Hostname: "db.example.org", ExtraHosts: []string{"up:10.1.1.1", "v6:[fd00::1]", "me:host-gateway"}}, st))
	const head = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
	if diff := cmp.Diff(head+"10.1.1.1\tup\nfd00::1\tv6\n172.30.0.1\tme\n172.30.0.2\tdb.example.org db\n", got); diff != "" {
		t.Error(diff)
	}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	pool := &ipam{Subnet: netip.MustParsePrefix("10.9.0.0/29"), Leases: map[string]lease{}}
	get := func(id, want string) string {
		var wanted netip.Addr
		if want != "" {
			wanted = netip.MustParseAddr(want)
		}
		ip, err := pool.assign(id, wanted)
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

func TestValidatePort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		port Port
		kind error
	}{
		{Port{HostPort: 80, ContainerPort: 80}, nil},
		{Port{HostPort: 80, ContainerPort: 53, Proto: "udp", HostIP: netip.MustParseAddr("127.0.0.1")}, nil},
		{Port{HostPort: 80}, errdefs.ErrInvalid},
		{Port{ContainerPort: 80, Proto: "sctp"}, errdefs.ErrUnsupported},
		{Port{ContainerPort: 80, HostIP: netip.MustParseAddr("::1")}, errdefs.ErrUnsupported},
	} {
		t.Run(fmt.Sprint(tt.port), func(t *testing.T) {
			t.Parallel()
			if err := tt.port.validate(); !errors.Is(err, tt.kind) {
				t.Errorf("%v, want %v", err, tt.kind)
			}
		})
	}
}
