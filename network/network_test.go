package network

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

// TestHostFiles reads the files of the host that the tests run on.
func TestHostFiles(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Skip(err)
	}
	got := string(Hosts(Config{Mode: Host, ExtraHosts: []string{"up:10.1.1.1", "no address"}}, State{}))
	if got != string(own)+"10.1.1.1\tup\n" {
		t.Errorf("hosts: %q", got)
	}
	for _, mode := range []Mode{Bridge, Host} {
		conf := string(ResolvConf(Config{Mode: mode}))
		servers := 0
		for line := range strings.Lines(conf) {
			if addr, ok := nameserver(line); ok {
				servers++
				if mode != Host && addr.IsLoopback() {
					t.Errorf("%s: a container cannot ask %s", mode, addr)
				}
			}
		}
		if servers == 0 {
			t.Errorf("%s: no nameserver in %q", mode, conf)
		}
	}
}

func TestPeer(t *testing.T) {
	t.Parallel()
	for mode, want := range map[Mode]string{"": "", Bridge: "", Host: "", "container:": "", "container:abc": "abc"} {
		if id, ok := mode.Peer(); id != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", mode, id, ok)
		}
	}
}
