package etc

import (
	"errors"
	"testing"

	"cove/errdefs"
)

func TestCheckResolver(t *testing.T) {
	t.Parallel()
	list := func(all ...string) []string { return all }
	for _, tc := range []struct {
		servers, domains, options []string
		ok                        bool
	}{
		{nil, nil, nil, true},
		{list("9.9.9.9", "2620:fe::9", "fe80::1%eth0"), list("example.com", "_tcp.a-b.", "."), list("ndots:2", "rotate"), true},
		{list("foo"), nil, nil, false},
		{list("9.9.9.9\nsearch evil"), nil, nil, false},
		{list(""), nil, nil, false},
		{nil, list("a b"), nil, false},
		{nil, list("a..b"), nil, false},
		{nil, list("a\nnameserver 9.9.9.9"), nil, false},
		{nil, list("a;b"), nil, false},
		{nil, list(""), nil, false},
		{nil, nil, list("a b"), false},
		{nil, nil, list("a\n"), false},
		{nil, nil, list(""), false},
	} {
		err := CheckResolver(tc.servers, tc.domains, tc.options)
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q %q %q: %v", tc.servers, tc.domains, tc.options, err)
		}
	}
}

func TestCheckHost(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"": true, "web-1": true, "a_b.example": true, "münchen": true,
		"a b": false, "a\tb": false, "a\n9.9.9.9 b": false, "a#b": false, "a\x00": false, "a\u00a0b": false,
	} {
		if err := CheckHost(name); (err == nil) != ok || err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
