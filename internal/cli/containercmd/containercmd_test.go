package containercmd

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cove/engine/listing"
	"cove/internal/cli/output"
	"cove/network/publish"
	"cove/runner/record"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestContainerTable(t *testing.T) {
	t.Parallel()
	row := func(id, name, command string, s record.State) listing.Container {
		return listing.Container{
			Config:  record.Config{ID: strings.Repeat(id, 64/len(id)), Name: name, Image: "redis", Created: noon.Add(-2 * time.Hour)},
			State:   s,
			Command: command,
		}
	}
	up := record.State{Status: record.Running, StartedAt: noon.Add(-90 * time.Minute)}
	up.Network.Ports = []publish.Port{
		{HostPort: 8080, ContainerPort: 80, Proto: "tcp"},
		{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 53, ContainerPort: 53, Proto: "udp"},
	}
	rows := []listing.Container{
		row("a1", "db", "docker-entrypoint.sh redis-server", up),
		row("b2", "job", "true", record.State{Status: record.Exited, ExitCode: 137, FinishedAt: noon.Add(-5 * time.Minute)}),
		row("c3", "new", "true", record.State{Status: record.Created}),
		row("d4", "cold", "true", record.State{Status: record.Paused, StartedAt: noon.Add(-time.Minute)}),
	}
	var b bytes.Buffer
	if err := containerList(noon, false).Write(&b, output.Options{}, rows); err != nil {
		t.Fatal(err)
	}
	want := `CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS                       PORTS                                        NAMES
a1a1a1a1a1a1   redis     "docker-entrypoint.s…"   2 hours ago   Up 2 hours                   127.0.0.1:53->53/udp, 0.0.0.0:8080->80/tcp   db
b2b2b2b2b2b2   redis     "true"                   2 hours ago   Exited (137) 5 minutes ago                                                job
c3c3c3c3c3c3   redis     "true"                   2 hours ago   Created                                                                   new
d4d4d4d4d4d4   redis     "true"                   2 hours ago   Up About a minute (Paused)                                                cold
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Reset()
	if err := containerList(noon, true).Write(&b, output.Options{Format: "{{.Names}} {{.State}} {{.Networks}} {{.Command}}"}, rows[:1]); err != nil {
		t.Fatal(err)
	}
	if want := "db running bridge \"docker-entrypoint.sh redis-server\"\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr("127.0.0.1")
	port := func(host, container uint16, proto string, at ...netip.Addr) publish.Port {
		p := publish.Port{HostPort: host, ContainerPort: container, Proto: proto}
		if len(at) > 0 {
			p.HostIP = at[0]
		}
		return p
	}
	for want, tt := range map[string]struct {
		published []publish.Port
		exposed   []string
	}{
		"":                           {},
		"6379/tcp":                   {nil, []string{"6379/tcp"}},
		"6379/tcp, 6379/udp":         {nil, []string{"6379/tcp", "6379/udp"}},
		"80/tcp, 443/tcp":            {nil, []string{"443", "80/tcp"}},
		"7000-7003/tcp":              {nil, []string{"7000-7002/tcp", "7003/tcp"}},
		"0.0.0.0:80->80/tcp":         {[]publish.Port{port(80, 80, "tcp")}, []string{"80/tcp"}},
		"0.0.0.0:80-82->80-82/tcp":   {[]publish.Port{port(82, 82, "tcp"), port(80, 80, ""), port(81, 81, "tcp")}, nil},
		"127.0.0.1:5353->53/udp":     {[]publish.Port{port(5353, 53, "udp", ip)}, nil},
		"53/tcp, 0.0.0.0:99->53/udp": {[]publish.Port{port(99, 53, "udp")}, []string{"53/tcp", "53/udp"}},
		"0.0.0.0:80->80/tcp, 127.0.0.1:80->80/tcp": {[]publish.Port{port(80, 80, "tcp"), port(80, 80, "tcp", ip)}, nil},
		"0.0.0.0:90->80/tcp, 0.0.0.0:91->81/tcp":   {[]publish.Port{port(90, 80, "tcp"), port(91, 81, "tcp")}, nil},
		"90/tcp":                                   {nil, []string{"90/tcp", "nonsense", "99999/tcp", "5-4/tcp"}},
	} {
		c := listing.Container{State: record.State{Status: record.Running}, Exposed: tt.exposed}
		c.State.Network.Ports = tt.published
		if got := ports(c); got != want {
			t.Errorf("%+v, %v: %q, want %q", tt.published, tt.exposed, got, want)
		}
	}
}
