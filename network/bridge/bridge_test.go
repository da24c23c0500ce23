package bridge

import (
	"errors"
	"net/netip"
	"testing"

	"cove/errdefs"
)

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
