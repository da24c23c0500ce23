package networks

import (
	"errors"
	"testing"

	"cove/engine/dockertypes"
	"cove/errdefs"
	"cove/network/definition"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	web := Network{Network: dockertypes.Network{
		Name: "web", ID: "abc", Driver: "bridge", Scope: "local", Labels: map[string]string{"team": "a", "x": ""},
	}}
	host := Network{Network: dockertypes.BareNetwork("host")}
	tests := []struct {
		f         Filter
		web, host bool
	}{
		{nil, true, true},
		{Filter{"name": {"we"}}, true, false},
		{Filter{"name": {"we", "ho"}}, true, true},
		{Filter{"id": {"abc"}}, true, false},
		{Filter{"driver": {"host"}}, false, true},
		{Filter{"label": {"team=a", "x"}}, true, false},
		{Filter{"label": {"team=a", "y"}}, false, false},
		{Filter{"type": {"custom"}}, true, false},
		{Filter{"type": {"builtin"}}, false, true},
		{Filter{"dangling": {"true"}}, true, false},
		{Filter{"scope": {"local"}, "driver": {"bridge"}}, true, false},
	}
	for _, tt := range tests {
		if err := tt.f.check(); err != nil || tt.f.matches(web) != tt.web || tt.f.matches(host) != tt.host {
			t.Errorf("%v: web %v, host %v, %v", tt.f, tt.f.matches(web), tt.f.matches(host), err)
		}
	}
	for _, f := range []Filter{{"nope": {"x"}}, {"dangling": {"maybe"}}, {"type": {"x"}}} {
		if err := f.check(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	var def definition.Network
	err := addressesOf(&def, Options{
		Subnets: []string{"10.5.0.0/16"}, Ranges: []string{"10.5.1.0/24"}, Gateways: []string{"10.5.0.1"},
		Reserved: map[string]string{"printer": "10.5.0.7"},
	})
	if err != nil || def.Subnet.String() != "10.5.0.0/16" || def.Range.String() != "10.5.1.0/24" ||
		def.Gateway.String() != "10.5.0.1" || def.Reserved["printer"].String() != "10.5.0.7" {
		t.Errorf("got %+v, %v", def, err)
	}
	for _, o := range []Options{
		{Subnets: []string{"10.5.0.0"}},
		{Gateways: []string{"10.5.0.1"}},
		{Subnets: []string{"10.5.0.0/16"}, Gateways: []string{"x"}},
		{Subnets: []string{"10.5.0.0/16"}, Ranges: []string{"x"}},
		{Subnets: []string{"10.5.0.0/16"}, Reserved: map[string]string{"a": "x"}},
	} {
		if err := addressesOf(&def, o); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	two := Options{Subnets: []string{"10.5.0.0/16", "fd00:5::/64", "10.6.0.0/16"}}
	if err := addressesOf(&def, two); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("two subnets: %v", err)
	}
}
