package cgroup

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/sandbox/host"
)

// Whoever was delegated no control group has a group in name: limits are refused by
// what they are called, and its processes are found without it.
func TestWithoutGroups(t *testing.T) {
	t.Parallel()
	none := host.Cgroup{Delegated: true}
	rules := []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	g, err := Create(none, "/cove/x", &specs.LinuxResources{Devices: rules})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(1 << 25)
	for want, r := range map[string]*specs.LinuxResources{
		`limit memory: the controller "memory" is not delegated`:   {Memory: &specs.LinuxMemory{Limit: &n}},
		`limit pids-limit: the controller "pids" is not delegated`: {Pids: &specs.LinuxPids{Limit: &n}},
	} {
		if _, err := Create(none, "/cove/y", r); !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := g.Freeze(t.Context()); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("freezing: %v", err)
	}
	if _, err := g.Stats(); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("stats: %v", err)
	}
	if pids, err := g.Procs(); len(pids) != 0 || err != nil {
		t.Errorf("nobody leads it, and it has %v, %v", pids, err)
	}
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	led := g.Led(cmd.Process.Pid)
	if pids, err := led.Procs(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("it has %v, %v", pids, err)
	}
	go cmd.Wait()
	if err := led.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(g.Delete(t.Context()), led.Delete(t.Context())); err != nil {
		t.Error(err)
	}
	if _, err := Create(host.Cgroup{}, "/cove/z", nil); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a host without control groups: %v", err)
	}
}
