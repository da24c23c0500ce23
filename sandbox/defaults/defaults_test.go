package defaults

import (
	"path"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/check"
)

// TestSpec makes a spec of the tables that nothing is wrong with.
func TestSpec(t *testing.T) {
	t.Parallel()
	spec := &specs.Spec{
		Root: &specs.Root{Path: "rootfs"}, Mounts: Mounts(),
		Process: &specs.Process{Args: []string{"true"}, Cwd: "/"},
		Linux: &specs.Linux{
			Namespaces: Namespaces(), MaskedPaths: MaskedPaths(), ReadonlyPaths: ReadonlyPaths(),
			Resources: &specs.LinuxResources{Devices: DeviceRules()},
		},
	}
	if err := check.Spec(spec); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, m := range spec.Mounts {
		if seen[m.Destination] || !seen[path.Dir(m.Destination)] && path.Dir(m.Destination) != "/" && path.Dir(m.Destination) != "/sys/fs" {
			t.Errorf("%s is there twice, or before what it is in", m.Destination)
		}
		seen[m.Destination] = true
		if m.Destination != "/dev" && m.Destination != "/dev/pts" && !slices.Contains(m.Options, "nodev") {
			t.Errorf("%s shows devices", m.Destination)
		}
		if !slices.Contains(m.Options, "nosuid") {
			t.Errorf("%s runs set-user-ID programs", m.Destination)
		}
	}
}

// TestTablesAreTheCallersOwn changes what a caller got; the next is given the same as
// ever.
func TestTablesAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	for _, table := range []func() []string{Capabilities, AllCapabilities, MaskedPaths, ReadonlyPaths} {
		first := table()
		want := slices.Clone(first)
		first[0] = "changed"
		if got := table(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		slices.Sort(want)
		if len(slices.Compact(want)) != len(first) {
			t.Errorf("twice in %q", want)
		}
	}
	m := Mounts()
	m[0].Options[0] = "changed"
	if Mounts()[0].Options[0] == "changed" {
		t.Error("mounts share their options")
	}
	for _, c := range Capabilities() {
		if !slices.Contains(AllCapabilities(), c) {
			t.Errorf("%s is not among all", c)
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		own          uint32
		others, want []uint32
	}{
		{0, nil, []uint32{0}},
		{5, []uint32{7, 5, 7, 0}, []uint32{5, 7, 0}},
	} {
		if got := Groups(tt.own, tt.others); !slices.Equal(got, tt.want) {
			t.Errorf("%d, %v: %v", tt.own, tt.others, got)
		}
	}
}

// TestDeviceRules denies everything first; what follows is allowed.
func TestDeviceRules(t *testing.T) {
	t.Parallel()
	for i, r := range DeviceRules() {
		if r.Allow != (i > 0) {
			t.Errorf("rule %d: %+v", i, r)
		}
		if r.Allow && (r.Major == nil) != (r.Access == "m") {
			t.Errorf("any device for more than making a node: %+v", r)
		}
	}
}
