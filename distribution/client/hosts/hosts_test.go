package hosts

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"cove/errdefs"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	p, err := ParsePolicy([]string{"named.example", "http://port.example:5000/", "https://10.1.0.0/16", "fd00::/8"}, []string{"mirror.example"})
	if err != nil {
		t.Fatal(err)
	}
	p.lookup = func(host string) []netip.Addr {
		return map[string][]netip.Addr{
			"lab.example":  {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:10.1.0.9")},
			"away.example": {netip.MustParseAddr("10.2.0.9")},
		}[host]
	}
	for addr, want := range map[string]struct{ named, plain bool }{
		"lab.example:5000":        {true, true},
		"away.example":            {false, false},
		"named.example":           {true, true},
		"named.example:443":       {true, true},
		"other.named.example":     {false, false},
		"port.example:5000":       {true, true},
		"port.example:5001":       {false, false},
		"port.example":            {false, false},
		"10.1.2.3:5000":           {true, true},
		"10.2.2.3:5000":           {false, false},
		"[fd00::1]:5000":          {true, true},
		"[2001:db8::1]:5000":      {false, false},
		"mirror.example":          {false, true},
		"localhost":               {false, true},
		"localhost:5000":          {false, true},
		"127.8.9.1:5000":          {false, true},
		"[::1]:5000":              {false, true},
		"[::ffff:127.0.0.1]:5000": {false, true},
		"localhost.evil.example":  {false, false},
		"127.0.0.1.evil.example":  {false, false},
		"0.0.0.0:5000":            {false, false},
		"192.168.0.1":             {false, false},
	} {
		if named, plain := p.Named(addr), p.Plain(addr); named != want.named || plain != want.plain {
			t.Errorf("%s: named %v, plain %v; want %+v", addr, named, plain, want)
		}
	}
}

func TestMirrorOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Base{
		"https://m.example":         {Host: "m.example", Addr: "m.example", Scheme: "https", Mirror: true},
		"http://m.example:5000/":    {Host: "m.example:5000", Addr: "m.example:5000", Scheme: "http", Mirror: true},
		"m.example:5000":            {Host: "m.example:5000", Addr: "m.example:5000", Mirror: true},
		"https://m.example/hub/v1/": {Host: "m.example", Addr: "m.example", Scheme: "https", Prefix: "/hub/v1", Mirror: true},
	} {
		if got, err := MirrorOf(in); err != nil || got != want {
			t.Errorf("%s = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ftp://x", "https://", "https://u:p@x", "://"} {
		if got, err := MirrorOf(in); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q = %+v, %v", in, got, err)
		}
	}
}

func TestBaseOf(t *testing.T) {
	t.Parallel()
	if b := BaseOf("docker.io"); b.Host != "docker.io" || b.Addr != "registry-1.docker.io" {
		t.Errorf("docker.io is %+v", b)
	}
	if b := BaseOf("h:5000"); b != (Base{Host: "h:5000", Addr: "h:5000"}) {
		t.Errorf("h:5000 is %+v", b)
	}
}

func TestDefaultCertsDirs(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", "/home/ann/conf")
	want := []string{
		"/home/ann/conf/cove/certs.d", "/home/ann/conf/docker/certs.d", "/etc/cove/certs.d", "/etc/docker/certs.d",
	}
	if got := DefaultCertsDirs(); !slices.Equal(got, want) {
		t.Errorf("DefaultCertsDirs() = %q, want %q", got, want)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "")
	if got := DefaultCertsDirs(); !slices.Equal(got, want[2:]) {
		t.Errorf("without a home: %q, want %q", got, want[2:])
	}
}
