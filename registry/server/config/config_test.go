package config

import (
	"errors"
	"os"
	"testing"

	"cove/errdefs"
)

// TestHost is the name that notifications have of the registry.
func TestHost(t *testing.T) {
	t.Parallel()
	machine, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	for _, tc := range []struct {
		c    Config
		want string
	}{
		{Config{ExternalURL: "https://registry.example.com", Listen: ":5000"}, "registry.example.com"},
		{Config{ExternalURL: "https://registry.example.com:8443", Hostnames: []string{"a"}}, "registry.example.com:8443"},
		{Config{Hostnames: []string{"a.example.com", "b"}, Listen: ":5000"}, "a.example.com:5000"},
		{Config{Hostnames: []string{"a.example.com"}, Listen: "0.0.0.0:443"}, "a.example.com"},
		{Config{Hostnames: []string{"a.example.com"}, Listen: ":80", TLS: TLS{Off: true}}, "a.example.com"},
		{Config{Hostnames: []string{"a.example.com"}, Listen: ":443", TLS: TLS{Off: true}}, "a.example.com:443"},
		{Config{Listen: "192.0.2.7:5000"}, "192.0.2.7:5000"},
		{Config{Listen: "[2001:db8::1]:5000"}, "[2001:db8::1]:5000"},
		{Config{Listen: "[::]:5000"}, machine + ":5000"},
		{Config{Listen: ":5000"}, machine + ":5000"},
		{Config{Listen: "127.0.0.1:0"}, "127.0.0.1"},
	} {
		if got := tc.c.Host(); got != tc.want {
			t.Errorf("%q %v %q: %s, want %s", tc.c.ExternalURL, tc.c.Hostnames, tc.c.Listen, got, tc.want)
		}
	}
}

// TestOutboundIsChecked refuses networks that are none before the start.
func TestOutboundIsChecked(t *testing.T) {
	t.Parallel()
	c := Config{Root: t.TempDir(), Outbound: Outbound{Allow: []string{"10.1.0.0/16", "192.168.7.5", "fd00::/8"}}}
	if err := c.Complete(); err != nil || len(c.Outbound.Policy().Allow) != 3 {
		t.Errorf("%v %+v", err, c.Outbound.Policy())
	}
	for _, wrong := range []string{"10.1.0.0/40", "all", "", "example.com", "fe80::1%eth0"} {
		c := Config{Root: t.TempDir(), Outbound: Outbound{Allow: []string{wrong}}}
		if err := c.Complete(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
		if got := c.Outbound.Policy(); len(got.Allow) != 0 {
			t.Errorf("%q allows %v", wrong, got.Allow)
		}
	}
}
