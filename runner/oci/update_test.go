package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// TestUpdate changes limits of a running container in each form, and looks at
// the kernel's files.
func TestUpdate(t *testing.T) {
	t.Parallel()
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	if features.Cgroup.Mode == host.CgroupV2 {
		t.Skip("the files below are of control groups v1")
	}
	f := newFixture(t, "sleep", "100")
	id := idOf(t)
	f.spec.Linux.CgroupsPath = "/" + id
	f.write()
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	limits := filepath.Join(t.TempDir(), "limits.json")
	if err := os.WriteFile(limits, []byte(`{"memory":{"limit":67108864},"pids":{"limit":7}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const memory, memsw = "memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes"
	g := cgroup.Load(features.Cgroup, id)
	for _, tt := range []struct {
		args []string
		want map[string]string // by HIERARCHY/FILE
	}{
		{[]string{"-r", limits}, map[string]string{memory: "67108864", "pids/pids.max": "7"}},
		{[]string{"--memory", "32MiB"}, map[string]string{memory: "33554432", "pids/pids.max": "7"}},
		{[]string{"--memory-reservation", "16m"}, map[string]string{"memory/memory.soft_limit_in_bytes": "16777216"}},
		{[]string{"--memory", "-1", "--memory-swap", "-1"}, map[string]string{memory: "9223372036854771712"}},
		{[]string{"--memory", "32m", "--memory-swap", "64m"}, map[string]string{memory: "33554432"}},
		{[]string{"--memory", "-1"}, map[string]string{memory: "9223372036854771712", memsw: "9223372036854771712"}},
		{[]string{"--pids-limit", "9"}, map[string]string{"pids/pids.max": "9"}},
		{[]string{"--pids-limit", "0"}, map[string]string{"pids/pids.max": "1"}},
		{[]string{"--pids-limit", "-1"}, map[string]string{"pids/pids.max": "max"}},
		{[]string{"--cpu-period", "50000", "--cpu-quota", "25000", "--cpu-share", "100"}, map[string]string{
			"cpu/cpu.cfs_period_us": "50000", "cpu/cpu.cfs_quota_us": "25000", "cpu/cpu.shares": "100",
		}},
		{[]string{"--cpuset-cpus", "0", "--cpuset-mems", "0"}, map[string]string{"cpuset/cpuset.cpus": "0"}},
	} {
		f.must(append(append([]string{"update"}, tt.args...), id)...)
		for name, want := range tt.want {
			hierarchy, file, _ := strings.Cut(name, "/")
			dir, err := g.Dir(hierarchy)
			if err != nil {
				t.Skip(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%q: %s is %q, want %s, %v", tt.args, name, got, want, err)
			}
		}
	}
	refused(t, f, "memory", "update", "--memory", "lots", id)
	refused(t, f, "cpu-idle", "update", "--cpu-idle", "2", id)
	refused(t, f, "invalid", "update", "--pids-limit", "x", id)
}
