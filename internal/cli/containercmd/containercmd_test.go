package containercmd

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cove/engine/dockertypes/lists"
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
	shown := func(o lists.Options) []lists.Container {
		all, err := containerRows(t.Context(), nil, rows, false, o)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	var b bytes.Buffer
	if err := containerList(false).Write(&b, output.Options{}, shown(lists.Options{Now: noon})); err != nil {
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
	whole := output.Options{Format: "{{.Names}} {{.State}} {{.Networks}} {{.Command}}"}
	if err := containerList(false).Write(&b, whole, shown(lists.Options{Now: noon, NoTrunc: true})[:1]); err != nil {
		t.Fatal(err)
	}
	if want := "db running bridge \"docker-entrypoint.sh redis-server\"\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
