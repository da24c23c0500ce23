package told

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/events"
	"cove/network"
	"cove/runner/record"
)

// heard are the actions and main attributes of all that a root was told.
func heard(t *testing.T, root string, attributes ...string) (all []string) {
	t.Helper()
	r, err := events.Of(root).Read(events.Options{Until: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		e, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		line := []string{string(e.Type), e.Action}
		for _, name := range attributes {
			if value, ok := e.Attributes[name]; ok {
				line = append(line, name+"="+value)
			}
		}
		all = append(all, strings.Join(line, " "))
	}
}

func TestOneLife(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cfg := record.Config{
		ID: "abc", Name: "box", Image: "busybox", Labels: map[string]string{"tier": "db"},
		Mounts: []record.Mounted{
			{Type: record.MountVolume, Name: "data", Target: "/data", ReadOnly: true}, {Type: record.MountBind, Source: "/srv"},
		},
	}
	tell := Of(record.Of(root, "abc"), cfg)
	st := record.State{StartedAt: time.Now().Add(-3 * time.Second)}
	st.Network.IP = netip.MustParsePrefix("10.1.2.3/24")
	tell.Started(st, true)
	Exec{tell, "x1", "ls -l"}.Begun()
	Exec{tell, "x1", "ls -l"}.Ended(2)
	st.Network.Attached = []network.Attached{{Network: "n1", Name: "web"}, {Network: "n2", Name: "db"}}
	tell.Ended(st, record.ExitStatus{Code: 137, OOMKilled: true}, st.StartedAt.Add(2500*time.Millisecond))
	got := heard(t, root, "container", "name", "type", "read/write", "exitCode", "execDuration", "execID", "tier")
	want := []string{
		"container attach name=box tier=db",
		"network connect container=abc name=bridge type=bridge",
		"volume mount container=abc read/write=false",
		"container start name=box tier=db",
		"container exec_create: ls -l name=box execID=x1 tier=db",
		"container exec_start: ls -l name=box execID=x1 tier=db",
		"container exec_die name=box exitCode=2 execID=x1 tier=db",
		"container oom name=box tier=db",
		"container die name=box exitCode=137 execDuration=2 tier=db",
		"network disconnect container=abc name=web type=bridge",
		"network disconnect container=abc name=db type=bridge",
		"volume unmount container=abc",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestToldAlready: what was told while a container ran is not told again with its end.
func TestToldAlready(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	tell := Of(record.Of(root, "abc"), record.Config{ID: "abc", Name: "box"})
	tell.Ended(record.State{OOMKilled: true}, record.ExitStatus{Code: 3, OOMKilled: true}, time.Now())
	for _, line := range heard(t, root) {
		if strings.HasPrefix(line, "container oom") {
			t.Errorf("told again: %s", line)
		}
	}
}

// TestNetworks: those without an address are told too, a shared one is not.
func TestNetworks(t *testing.T) {
	t.Parallel()
	for mode, want := range map[network.Mode]string{
		network.Host: "network connect name=host type=host", network.None: "network connect name=none type=null",
		network.ContainerPrefix + "abc": "",
	} {
		root := t.TempDir()
		cfg := record.Config{ID: "abc", Name: "box", Network: network.Config{Mode: mode}}
		Named(record.Of(root, "abc"), cfg, "other").Started(record.State{}, false)
		got := heard(t, root, "name", "type")
		if text := strings.Join(got[:len(got)-1], ", "); text != want || got[len(got)-1] != "container start name=other" {
			t.Errorf("%s: %v", mode, got)
		}
	}
}
