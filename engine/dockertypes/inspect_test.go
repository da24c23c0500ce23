package dockertypes

import (
	"encoding/json"
	"reflect"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/engine/runspec"
	"cove/internal/leanjson"
	"cove/network"
	"cove/runner/record"
)

// stored is what is read back of a container that was made from an image and
// options.
func stored(t *testing.T, o runspec.Options, mounts []record.Mounted) record.Config {
	t.Helper()
	img := ocispec.ImageConfig{
		Env: []string{"PATH=/bin", "A=image"}, Cmd: []string{"serve"}, WorkingDir: "/srv",
		ExposedPorts: map[string]struct{}{"6379/tcp": {}},
	}
	data, err := leanjson.Marshal(record.Config{
		Spec:   &specs.Spec{Process: &specs.Process{}},
		Mounts: mounts, Asked: runspec.Asked(img, o), OpenStdin: o.Stdin,
	})
	if err != nil {
		t.Fatal(err)
	}
	var cfg record.Config
	if err := leanjson.Unmarshal(data, &cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestAskedIsShown(t *testing.T) {
	swappiness, seconds := uint64(0), 0
	o := runspec.Options{
		Entrypoint: []string{}, Command: []string{"work"}, Env: []string{"A=user"}, Stdin: true, ReadOnly: true,
		Security: record.Security{CapAdd: []string{"SYS_TIME"}, NoNewPrivileges: true, Seccomp: "unconfined"},
		Resources: record.Resources{
			Memory: 64 << 20, MemorySwappiness: &swappiness,
			Ulimits: []record.Ulimit{{Name: "core", Soft: 0, Hard: -1}},
		},
		Tmpfs: []record.Tmpfs{{Target: "/run", Options: []string{"size=1m"}}}, StopTimeout: &seconds,
	}
	cfg := stored(t, o, []record.Mounted{
		{Type: record.MountBind, Source: "/host", Target: "/a", ReadOnly: true},
		{Type: record.MountVolume, Name: "data", Source: "/v/data/_data", Target: "/b", NoCopy: true},
		{Type: record.MountVolume, Name: "f00", Source: "/v/f00/_data", Target: "/c", Anonymous: true},
	})
	h := hostConfigOf(cfg, *cfg.Asked)
	for what, pair := range map[string][2]any{
		"binds":           {h.Binds, []string{"/host:/a:ro", "data:/b:nocopy"}}, // an anonymous volume was not asked for by name
		"tmpfs":           {h.Tmpfs, map[string]string{"/run": "size=1m"}},
		"security":        {h.SecurityOpt, []string{"no-new-privileges", "seccomp=unconfined"}},
		"capabilities":    {h.CapAdd, []string{"SYS_TIME"}},
		"read-only":       {h.ReadonlyRootfs, true},
		"memory and swap": {h.MemorySwap, int64(128 << 20)},
		"ulimits":         {h.Ulimits, []Ulimit{{Name: "core", Soft: 0, Hard: -1}}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %#v, want %#v", what, pair[0], pair[1])
		}
	}
	if h.MemorySwappiness == nil || *h.MemorySwappiness != 0 {
		t.Errorf("swappiness %v: 0 was asked for, which is not the same as nothing", h.MemorySwappiness)
	}
	c := configOf(cfg, *cfg.Asked)
	if _, ok := c.Volumes["/c"]; !ok {
		t.Errorf("volumes %v lack the one without a name", c.Volumes)
	}
	if len(c.Entrypoint) != 0 || !reflect.DeepEqual(c.Cmd, []string{"work"}) || !c.StdinOnce {
		t.Errorf("entrypoint %q, command %q, stdin once %v", c.Entrypoint, c.Cmd, c.StdinOnce)
	}
	if c.StopTimeout == nil || *c.StopTimeout != 0 {
		t.Errorf("stop timeout %v: 0 was asked for, which is not the default", c.StopTimeout)
	}
	if want := []string{"PATH=/bin", "A=user"}; !reflect.DeepEqual(cfg.Asked.Image.Env, want) {
		t.Errorf("environment for a commit: %q, want %q", cfg.Asked.Image.Env, want)
	}
	if _, ok := cfg.Asked.Image.ExposedPorts["6379/tcp"]; !ok {
		t.Error("the image's exposed port is lost")
	}
}

// TestContainerWithoutFlags is a container that was recorded without what was
// asked of it, as one that an engine's own test or another program made.
func TestContainerWithoutFlags(t *testing.T) {
	cfg := record.Config{Spec: &specs.Spec{Process: &specs.Process{}}}
	h, n := hostConfigOf(cfg, record.Asked{}), networkOf(cfg, record.ImageConfig{}, record.State{})
	if h.NetworkMode != string(network.Bridge) || len(n.Ports) != 0 {
		t.Errorf("network %q, ports %v", h.NetworkMode, n.Ports)
	}
	if _, err := json.Marshal(h); err != nil {
		t.Error(err)
	}
}

// TestModesOfMounts: what was asked for with --mount has no mode but that of a volume, as
// docker tells it; a bind has what was written.
func TestModesOfMounts(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]record.Mounted{
		"bind ro":  {Type: record.MountBind, ReadOnly: true},
		"bind ":    {Type: record.MountBind, ReadOnly: true, Mount: true},
		"volume z": {Type: record.MountVolume, ReadOnly: true, Mount: true},
	} {
		if got := mountsOf([]record.Mounted{m})[0]; got.Type+" "+got.Mode != want || got.RW {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}
