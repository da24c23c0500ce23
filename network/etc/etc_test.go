package etc

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolvConf(t *testing.T) {
	t.Parallel()
	const host = "# made by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch corp.example\noptions edns0\n"
	tests := []struct {
		name, host string
		c          Container
		want       string
	}{
		{"loopback servers are left out", host, Container{}, "nameserver 10.0.0.2\nsearch corp.example\noptions edns0\n"},
		{"the host's network keeps them", host, Container{Host: true}, "nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch corp.example\noptions edns0\n"},
		{"none left", "nameserver ::1\n", Container{}, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"},
		{"none needed", "nameserver ::1\n", Container{None: true}, ""},
		{"flags replace", host, Container{DNS: []string{"1.1.1.1"}, DNSSearch: []string{"a", "b"}, DNSOptions: []string{"ndots:2"}}, "nameserver 1.1.1.1\nsearch a b\noptions ndots:2\n"},
		{"a dot searches nothing", host, Container{DNSSearch: []string{"."}}, "nameserver 10.0.0.2\noptions edns0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, string(tt.c.resolvConf([]byte(tt.host)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	c := Container{
		Addrs:   []netip.Addr{netip.MustParseAddr("172.30.0.2"), netip.MustParseAddr("fd00::2")},
		Gateway: netip.MustParseAddr("172.30.0.1"), Hostname: "db.example.org",
		ExtraHosts: []string{"up:10.1.1.1", "v6:[fd00::1]", "me:host-gateway"},
	}
	const head = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
	if diff := cmp.Diff(head+"10.1.1.1\tup\nfd00::1\tv6\n172.30.0.1\tme\n172.30.0.2\tdb.example.org db\nfd00::2\tdb.example.org db\n", string(c.Hosts())); diff != "" {
		t.Error(diff)
	}
}

// TestHostFiles reads the files of the host that the tests run on.
func TestHostFiles(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Skip(err)
	}
	got := string(Container{Host: true, ExtraHosts: []string{"up:10.1.1.1", "no address"}}.Hosts())
	if got != string(own)+"10.1.1.1\tup\n" {
		t.Errorf("hosts: %q", got)
	}
	for _, hosts := range []bool{false, true} {
		conf := string(Container{Host: hosts}.ResolvConf())
		servers := 0
		for line := range strings.Lines(conf) {
			if addr, ok := nameserver(line); ok {
				servers++
				if !hosts && addr.IsLoopback() {
					t.Errorf("%v: a container cannot ask %s", hosts, addr)
				}
			}
		}
		if servers == 0 {
			t.Errorf("%v: no nameserver in %q", hosts, conf)
		}
	}
}

func TestResolverConf(t *testing.T) {
	t.Parallel()
	host := "nameserver 10.0.0.1\nsearch corp\noptions edns0\n"
	got := string(Container{}.resolverConf([]byte(host)))
	if got != "search corp\nnameserver 127.0.0.11\noptions edns0 ndots:0\n" {
		t.Errorf("got %q", got)
	}
	got = string(Container{DNS: []string{"9.9.9.9"}, DNSSearch: []string{"a"}, DNSOptions: []string{"ndots:3"}}.resolverConf([]byte(host)))
	if got != "nameserver 127.0.0.11\nsearch a\noptions ndots:3\n" {
		t.Errorf("got %q", got)
	}
	if got := (Container{DNS: []string{"9.9.9.9", "[fd00::1]"}}).Upstreams(); got[0] != "9.9.9.9:53" || got[1] != "[fd00::1]:53" {
		t.Errorf("upstreams are %v", got)
	}
}
