package networks

import (
	"errors"
	"net/netip"
	"testing"

	"cove/engine/parts"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/network"
	"cove/network/publish"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	p, err := parts.Of(parts.Config{Root: t.TempDir(), Run: t.TempDir(), RuntimePath: "/nowhere/cove-runtime"})
	if err != nil {
		t.Fatal(err)
	}
	ip := netip.MustParseAddr("10.5.0.9")
	ports := []publish.Port{{ContainerPort: 80}}
	at := func(all ...network.Attachment) []network.Attachment { return all }
	tests := []struct {
		name string
		o    runspec.Options
		kind error
		want string
	}{
		{"nothing", runspec.Options{}, nil, "bridge"},
		{"default", runspec.Options{Network: "default", Ports: ports}, nil, "bridge"},
		{"none", runspec.Options{Network: "none"}, nil, "none"},
		{"host", runspec.Options{Network: "host"}, nil, "host"},
		{"the bridge alone", runspec.Options{Network: "bridge", Networks: at(network.Attachment{Name: "bridge"})}, nil, "bridge"},
		{"a server that is no address", runspec.Options{Network: "none", DNS: []string{"foo"}}, errdefs.ErrInvalid, ""},
		{"a domain that is none", runspec.Options{DNSSearch: []string{"a b"}}, errdefs.ErrInvalid, ""},
		{"two options in one", runspec.Options{DNSOptions: []string{"rotate ndots:1"}}, errdefs.ErrInvalid, ""},
		{"two lines for a host name", runspec.Options{Network: "host", Hostname: "a\n9.9.9.9 b"}, errdefs.ErrInvalid, ""},
		{"two names for one", runspec.Options{AddHosts: []runspec.Host{{Name: "a b", IP: "9.9.9.9"}}}, errdefs.ErrInvalid, ""},
		{"a domain with a space", runspec.Options{Domainname: "a b"}, errdefs.ErrInvalid, ""},
		{"ports of the host", runspec.Options{Network: "host", Ports: ports}, errdefs.ErrInvalid, ""},
		{"host and another", runspec.Options{
			Network: "host", Networks: at(network.Attachment{Name: "host"}, network.Attachment{Name: "bridge"}),
		}, errdefs.ErrInvalid, ""},
		{"another and host", runspec.Options{
			Network: "bridge", Networks: at(network.Attachment{Name: "bridge"}, network.Attachment{Name: "host"}),
		}, errdefs.ErrInvalid, ""},
		{"address on none", runspec.Options{
			Network: "none", Networks: at(network.Attachment{Name: "none", IP: ip}),
		}, errdefs.ErrInvalid, ""},
		{"address on the bridge", runspec.Options{
			Network: "bridge", Networks: at(network.Attachment{Name: "bridge", IP: ip}),
		}, errdefs.ErrInvalid, ""},
		{"alias on the bridge", runspec.Options{
			Network: "bridge", Networks: at(network.Attachment{Name: "bridge", Aliases: []string{"a"}}),
		}, errdefs.ErrInvalid, ""},
		{"nobody's", runspec.Options{Network: "nope"}, errdefs.ErrNotFound, ""},
		{"of no container", runspec.Options{Network: "container:nope"}, errdefs.ErrNotFound, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.o
			err := Of(p).Check(t.Context(), &o)
			if !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if err == nil && (o.Network != tt.want || o.Networks != nil) {
				t.Errorf("it has %s %v, want %s", o.Network, o.Networks, tt.want)
			}
		})
	}
	if err := Of(p).RemoveNetwork(t.Context(), "bridge"); err == nil {
		t.Error("the default bridge can be removed")
	}
}
