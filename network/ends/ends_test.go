package ends

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, value string
		kind       error
		says       string
	}{
		{Ifname, "back0", nil, ""},
		{Ifname, "fifteen-letters", nil, ""},
		{Ifname, "sixteen--letters", errdefs.ErrInvalid, "no name of an interface"},
		{Ifname, "a/b", errdefs.ErrInvalid, "no name of an interface"},
		{Ifname, "", errdefs.ErrInvalid, "no name of an interface"},
		{Ifname, "lo", errdefs.ErrInvalid, "no name of an interface"},
		{Sysctls, "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2", nil, ""},
		{Sysctls, "net.ipv4.conf.all.log_martians=1", errdefs.ErrInvalid, "one of the interface"},
		{Sysctls, "net.core.IFNAME.somaxconn=1", errdefs.ErrInvalid, "one of the interface"},
		{Sysctls, "kernel.IFNAME.x.y=1", errdefs.ErrInvalid, "one of the interface"},
		{Sysctls, "net.ipv4.conf.IFNAME...x=1", errdefs.ErrInvalid, "one of the interface"},
		{Sysctls, "net.ipv4.conf.IFNAME/../all.x=1", errdefs.ErrInvalid, "one of the interface"},
		{Sysctls, "net.ipv4.conf.IFNAME.x", errdefs.ErrInvalid, "one of the interface"},
		{"com.docker.network.other", "x", errdefs.ErrUnsupported, "driver option com.docker.network.other"},
	} {
		err := Check("web", map[string]string{c.key: c.value})
		if !errors.Is(err, c.kind) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s=%s: %v", c.key, c.value, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	got, err := Settings("net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.neigh.IFNAME.delay_first_probe_time=7", "eth3.5")
	want := [][2]string{{"ipv4/conf/eth3.5/log_martians", "1"}, {"ipv6/neigh/eth3.5/delay_first_probe_time", "7"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestWithoutIPv6(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "net.ipv6.conf.IFNAME.accept_ra=1": false, "net.ipv6.conf.IFNAME.disable_ipv6=0": false,
		"net.ipv6.conf.IFNAME.disable_ipv6=1":                                     true,
		"net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.disable_ipv6=1": true,
	} {
		if got := WithoutIPv6(map[string]string{Sysctls: text}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
