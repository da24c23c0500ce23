package parse

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cove/errdefs"
	"cove/network"
)

func TestNetworks(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr("10.5.0.9")
	linkLocal := []netip.Addr{netip.MustParseAddr("169.254.8.8"), netip.MustParseAddr("fe80::8")}
	tests := []struct {
		name  string
		texts []string
		flags NetworkFlags
		want  []network.Attachment
		kind  error
	}{
		{"the default", nil, NetworkFlags{}, nil, nil},
		{"a name", []string{"web"}, NetworkFlags{}, nil, nil},
		{
			"flags are of the first",
			[]string{"web", "back"},
			NetworkFlags{Aliases: []string{"a", "b"}, IP: "10.5.0.9", MAC: "02:42:0A:05:00:09"},
			[]network.Attachment{
				{Name: "web", Aliases: []string{"a", "b"}, IP: ip, MAC: "02:42:0a:05:00:09"}, {Name: "back"},
			},
			nil,
		},
		{
			"keys",
			[]string{"name=web,alias=a,alias=b,ip=10.5.0.9,mac-address=02:42:0a:05:00:09,gw-priority=3"},
			NetworkFlags{},
			[]network.Attachment{
				{Name: "web", Aliases: []string{"a", "b"}, IP: ip, MAC: "02:42:0a:05:00:09", Priority: 3},
			},
			nil,
		},
		{"twice", []string{"web", "name=web"}, NetworkFlags{}, nil, errdefs.ErrInvalid},
		{"no name", []string{"alias=a"}, NetworkFlags{}, nil, errdefs.ErrInvalid},
		{"unknown key", []string{"name=web,ip8=fd00::1"}, NetworkFlags{}, nil, errdefs.ErrInvalid},
		{"address", []string{"name=web,ip=fd00::1"}, NetworkFlags{}, nil, errdefs.ErrInvalid},
		{
			"of both families",
			[]string{"name=web,ip=10.5.0.9,ip6=fd00::9"},
			NetworkFlags{},
			[]network.Attachment{{Name: "web", IP: netip.MustParseAddr("10.5.0.9"), IP6: netip.MustParseAddr("fd00::9")}},
			nil,
		},
		{
			"of IPv6 by flag",
			[]string{"web"},
			NetworkFlags{IP6: "fd00::9"},
			[]network.Attachment{{Name: "web", IP6: netip.MustParseAddr("fd00::9")}},
			nil,
		},
		{
			"of the link",
			[]string{"name=web,link-local-ip=169.254.8.8,link-local-ip=fe80::8", "back"},
			NetworkFlags{},
			[]network.Attachment{{Name: "web", LinkLocal: linkLocal}, {Name: "back"}},
			nil,
		},
		{
			"of the link by flag, on the bridge",
			nil,
			NetworkFlags{LinkLocal: []string{"169.254.8.8", "fe80::8"}},
			[]network.Attachment{{Name: "bridge", LinkLocal: linkLocal}},
			nil,
		},
		{"link-local address that is none", []string{"web"}, NetworkFlags{LinkLocal: []string{"10.5.0.9"}}, nil, errdefs.ErrInvalid},
		{"link-local address twice", []string{"web"}, NetworkFlags{LinkLocal: []string{"fe80::8", "fe80::8"}}, nil, errdefs.ErrInvalid},
		{"IPv6 address", []string{"name=web,ip6=10.5.0.9"}, NetworkFlags{}, nil, errdefs.ErrInvalid},
		{"IPv6 address twice", []string{"name=web,ip6=fd00::9"}, NetworkFlags{IP6: "fd00::9"}, nil, errdefs.ErrInvalid},
		{"hardware address of many", []string{"web"}, NetworkFlags{MAC: "01:00:5e:00:00:01"}, nil, errdefs.ErrInvalid},
		{"priority", []string{"name=web,gw-priority=x"}, NetworkFlags{}, nil, errdefs.ErrInvalid},
		{"address twice", []string{"name=web,ip=10.5.0.9"}, NetworkFlags{IP: "10.5.0.9"}, nil, errdefs.ErrInvalid},
		{"alias twice", []string{"name=web,alias=a"}, NetworkFlags{Aliases: []string{"b"}}, nil, errdefs.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mode, got, err := Networks(tt.texts, tt.flags)
			if !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || len(got) > 0 && mode != got[0].Name {
				t.Errorf("mode %s: %s", mode, diff)
			}
		})
	}
}
