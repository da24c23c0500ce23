package machine

import (
	"os"
	"path/filepath"
	"testing"

	"cove/engine/dockertypes"
	"cove/sandbox/host"
)

func TestControllers(t *testing.T) {
	t.Parallel()
	v1, v2 := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(v1, "memory.memsw.limit_in_bytes"), filepath.Join(v2, "system.slice", "memory.swap.max")} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		groups host.Cgroup
		want   dockertypes.Info
	}{
		"none": {host.Cgroup{}, dockertypes.Info{CgroupDriver: "none"}},
		"v1, no cpuset": {
			host.Cgroup{Mode: host.CgroupV1, Hierarchies: []host.Hierarchy{
				{Controllers: []string{"memory"}, Mount: v1}, {Controllers: []string{"cpu", "cpuacct"}}, {Controllers: []string{"pids"}},
			}},
			dockertypes.Info{
				CgroupDriver: "cgroupfs", CgroupVersion: "1", MemoryLimit: true, SwapLimit: true, OomKillDisable: true,
				CPUCfsPeriod: true, CPUCfsQuota: true, CPUShares: true, PidsLimit: true,
			},
		},
		"v2": {
			host.Cgroup{Mode: host.CgroupV2, Hierarchies: []host.Hierarchy{{V2: true, Controllers: []string{"memory", "cpuset"}, Mount: v2}}},
			dockertypes.Info{CgroupDriver: "cgroupfs", CgroupVersion: "2", MemoryLimit: true, SwapLimit: true, CPUSet: true},
		},
	} {
		var got dockertypes.Info
		Controllers(&got, tt.groups)
		got.IPv4Forwarding = false // this machine's
		if got.CgroupDriver != tt.want.CgroupDriver || got.CgroupVersion != tt.want.CgroupVersion ||
			got.MemoryLimit != tt.want.MemoryLimit || got.SwapLimit != tt.want.SwapLimit ||
			got.OomKillDisable != tt.want.OomKillDisable || got.CPUCfsPeriod != tt.want.CPUCfsPeriod ||
			got.CPUSet != tt.want.CPUSet || got.PidsLimit != tt.want.PidsLimit {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
