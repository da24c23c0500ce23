package record

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/layers/mount"
	"cove/network"
	"cove/network/publish"
)

// TestBrief reads what lists show without the config, and the config where there is no
// whole brief; both ways with what was changed since.
func TestBrief(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	cfg := Config{
		ID: d.ID(), Name: "n", Labels: map[string]string{"a": "b"}, ImageID: "sha256:1",
		Spec:    &specs.Spec{Hostname: "h", Process: &specs.Process{Args: []string{"sleep", "1"}, Env: []string{"A=b"}}},
		Root:    mount.Mount{Type: "overlay"},
		Network: network.Config{Ports: []publish.Port{{ContainerPort: 80}}},
		Mounts:  []Mounted{{Type: MountVolume, Name: "data"}},
		Asked:   &Asked{ReadOnly: true, Image: ImageConfig{User: "u", ExposedPorts: map[string]struct{}{"80/tcp": {}}}},
	}
	want := cfg
	want.Spec = &specs.Spec{Process: &specs.Process{Args: []string{"sleep", "1"}}}
	want.Asked = &Asked{Image: ImageConfig{ExposedPorts: map[string]struct{}{"80/tcp": {}}}}
	want.Restart, want.Network.Ports = RestartPolicy{Name: RestartAlways}, []publish.Port{{ContainerPort: 81}}
	whole, err := leanjson.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	brief, err := leanjson.Marshal(cfg.Brief())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetUpdated(Updated{Restart: want.Restart, Published: true, Ports: want.Network.Ports}); err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(brief), `"abc"`, `"xyz"`, 1)
	for _, tc := range []struct{ name, config, brief string }{
		{"the brief alone", "garbled", string(brief)},
		{"an empty brief", string(whole), ""},
		{"half a brief", string(whole), string(brief[:len(brief)/2])},
		{"zeros", string(whole), strings.Repeat("\x00", len(brief))},
		{"the brief of another", string(whole), other},
	} {
		err := errors.Join(d.Write("config.json", []byte(tc.config), false), d.Write(BriefFile, []byte(tc.brief), false))
		if err != nil {
			t.Fatal(err)
		}
		briefly(t, tc.name, d, want)
	}
	if err := os.Remove(d.Path(BriefFile)); err != nil {
		t.Fatal(err)
	}
	briefly(t, "without a brief", d, want)
	if err := d.Write("config.json", []byte("garbled"), false); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Brief(); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("nothing to read: %v", err)
	}
}

func briefly(t *testing.T, name string, d Dir, want Config) {
	t.Helper()
	got, err := d.Brief()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, got %+v, want %+v", name, err, got, want)
	}
}

// TestReadLongFile reads more than a buffer holds.
func TestReadLongFile(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	want := strings.Repeat("0123456789", 10_000)
	if err := d.Write("long", []byte(want), false); err != nil {
		t.Fatal(err)
	}
	err := readFile(d.Path("long"), func(data []byte) error {
		if string(data) != want {
			t.Errorf("%d bytes, or others than %d", len(data), len(want))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
