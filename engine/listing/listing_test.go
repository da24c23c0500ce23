package listing

import (
	"net/netip"
	"slices"
	"testing"

	"cove/network/publish"
	"cove/runner/record"
)

// running is a container that publishes ports and has a volume and a path of the
// host.
func running() Container {
	c := Container{Config: record.Config{
		ID: "abc", Name: "web", Image: "redis", ImageID: "sha256:f00d", Labels: map[string]string{"team": "x"},
		Mounts: []record.Mounted{
			{Type: record.MountVolume, Name: "data", Source: "/v/data", Target: "/data"},
			{Type: record.MountBind, Source: "/srv", Target: "/www"},
		},
	}}
	c.State.Status = record.Running
	c.State.Network.Ports = []publish.Port{
		{HostPort: 8080, ContainerPort: 80},
		{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 53, ContainerPort: 53, Proto: "udp"},
	}
	return c
}

func TestPublishedPorts(t *testing.T) {
	all := Published(running().State)
	for want, hosts := range map[string][]string{
		"80":     {"0.0.0.0:8080"},
		"80/tcp": {"0.0.0.0:8080"},
		"80/udp": nil,
		"53":     nil, // a port without a protocol is tcp's
		"53/udp": {"127.0.0.1:53"},
		"8080":   nil, // the host's end is not asked for
	} {
		var got []string
		for _, p := range At(all, want) {
			got = append(got, p.Host())
		}
		if !slices.Equal(got, hosts) {
			t.Errorf("port %s: %q, want %q", want, got, hosts)
		}
	}
	if len(all) != 2 {
		t.Errorf("At changed what it was given: %v", all)
	}
}

func TestPortsOfOneThatDoesNotRun(t *testing.T) {
	c := running()
	c.Exposed = []string{"6379"}
	if got := c.Ports(); len(got) != 3 {
		t.Errorf("running: %v, want 3 ports", got)
	}
	if c.State.Status = record.Exited; c.Ports() != nil {
		t.Errorf("ended: %v, want none", c.Ports())
	}
}
