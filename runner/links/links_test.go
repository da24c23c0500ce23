package links

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/network"
	"cove/network/publish"
	"cove/runner/record"
)

// recorded is a root with one container, which has an address.
func recorded(t *testing.T, status record.Status) (root, id string) {
	t.Helper()
	root, id = t.TempDir(), "0123456789abcdef"
	dir := record.Of(root, id)
	cfg := record.Config{
		ID: id, Name: "db", Spec: &specs.Spec{Process: &specs.Process{Env: []string{"PATH=/bin", "USER=x"}}},
		Asked: &record.Asked{Image: record.ImageConfig{ExposedPorts: map[string]struct{}{"6379": {}, "53/udp": {}, "80/tcp": {}}}},
	}
	cfg.Network.Hostname = "fred"
	cfg.Network.Ports = []publish.Port{{ContainerPort: 80}}
	st := record.State{Status: status}
	st.Network.IP = netip.MustParsePrefix("10.1.2.3/16")
	data, err := leanjson.Marshal(cfg)
	err = errors.Join(err, os.MkdirAll(string(dir), 0o700))
	err = errors.Join(err, dir.Write("config.json", data, false), dir.Write("name", []byte("base"), false), dir.SetState(st, false))
	if err != nil {
		t.Fatal(err)
	}
	return root, id
}

func TestLinks(t *testing.T) {
	t.Parallel()
	root, id := recorded(t, record.Running)
	cfg := network.Config{Name: "web", Links: []network.Link{{ID: id, Alias: "my-db"}}}
	all, err := Find(root, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Hosts(all), []string{"my-db:10.1.2.3", "0123456789ab:10.1.2.3", "base:10.1.2.3", "fred:10.1.2.3"}; !slices.Equal(got, want) {
		t.Errorf("hosts %q, want %q", got, want)
	}
	want := []string{
		"MY_DB_PORT=tcp://10.1.2.3:80",
		"MY_DB_PORT_80_TCP=tcp://10.1.2.3:80", "MY_DB_PORT_80_TCP_ADDR=10.1.2.3", "MY_DB_PORT_80_TCP_PORT=80", "MY_DB_PORT_80_TCP_PROTO=tcp",
		"MY_DB_PORT_6379_TCP=tcp://10.1.2.3:6379", "MY_DB_PORT_6379_TCP_ADDR=10.1.2.3", "MY_DB_PORT_6379_TCP_PORT=6379", "MY_DB_PORT_6379_TCP_PROTO=tcp",
		"MY_DB_PORT_53_UDP=udp://10.1.2.3:53", "MY_DB_PORT_53_UDP_ADDR=10.1.2.3", "MY_DB_PORT_53_UDP_PORT=53", "MY_DB_PORT_53_UDP_PROTO=udp",
		"MY_DB_NAME=/web/my-db", "MY_DB_ENV_USER=x",
	}
	if got := Env("web", all); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	cfg.Attachments = []network.Attachment{{Network: "n1", Name: "back"}}
	if all, err := Find(root, cfg); err != nil || all != nil {
		t.Errorf("where names are answered: %v, %v", all, err)
	}
}

func TestLinkToOneThatDoesNotRun(t *testing.T) {
	t.Parallel()
	root, id := recorded(t, record.Exited)
	if _, err := Find(root, network.Config{Links: []network.Link{{ID: id, Alias: "db"}}}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if _, err := Find(root, network.Config{Links: []network.Link{{ID: "gone", Alias: "db"}}}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("one that is gone: %v", err)
	}
}

// TestFindLater: a link to what was to come later is looked up by its name, also when the
// container is on the default bridge by now.
func TestFindLater(t *testing.T) {
	t.Parallel()
	_, err := Find(t.TempDir(), network.Config{Links: []network.Link{{Name: "later", Alias: "x"}}})
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "could not get container for later") {
		t.Error(err)
	}
}
