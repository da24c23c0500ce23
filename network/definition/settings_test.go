package definition

import (
	"errors"
	"testing"

	"cove/errdefs"
)

func TestSettingsOfDrivers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		driver, option, value string
		kind                  error
	}{
		{"", OptionICC, "false", nil},
		{"", OptionParent, "eth0", errdefs.ErrInvalid},
		{DriverMacvlan, OptionParent, "eth0.10", nil},
		{DriverMacvlan, OptionParent, "a/b", errdefs.ErrInvalid},
		{DriverMacvlan, OptionMacvlan, "passthru", nil},
		{DriverMacvlan, OptionMacvlan, "l2", errdefs.ErrInvalid},
		{DriverMacvlan, OptionICC, "false", errdefs.ErrInvalid},
		{DriverIPvlan, OptionIPvlan, "l3s", nil},
		{DriverIPvlan, OptionFlag, "vepa", nil},
		{DriverIPvlan, OptionFlag, "passthru", errdefs.ErrInvalid},
		{DriverIPvlan, OptionMacvlan, "bridge", errdefs.ErrInvalid},
		{"overlay", OptionMTU, "1400", errdefs.ErrUnsupported},
	} {
		n := Network{Driver: c.driver, Options: map[string]string{c.option: c.value}}
		if _, err := n.Settings(); !errors.Is(err, c.kind) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	bridge := Network{ID: "0123456789abcdef"}
	on := Network{ID: "0123456789abcdef", Driver: DriverIPvlan, Options: map[string]string{OptionIPvlan: "l3"}}
	if bridge.OnParent() || bridge.Kind() != DriverBridge || bridge.Table() == "" || bridge.Routed() {
		t.Errorf("%+v", bridge)
	}
	if !on.OnParent() || on.Bridge() != "" || on.Table() != "" || on.Parent() != "dm-0123456789ab" || !on.Routed() {
		t.Errorf("%+v", on)
	}
}
