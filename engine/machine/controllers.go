package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/engine/dockertypes"
	"cove/sandbox/host"
)

// Controllers says which limits there are, and whether packets are led on.
func Controllers(info *dockertypes.Info, groups host.Cgroup) {
	info.CgroupVersion, info.CgroupDriver = cgroupVersion(groups.Mode), "cgroupfs"
	if groups.Mode == host.CgroupNone {
		info.CgroupDriver = "none"
	}
	for _, h := range groups.Hierarchies {
		has := func(controller string) bool { return slices.Contains(h.Controllers, controller) }
		if has("memory") {
			info.MemoryLimit, info.OomKillDisable = true, !h.V2
			swap, _ := filepath.Glob(filepath.Join(h.Mount, "memory.memsw.limit_in_bytes"))
			of, _ := filepath.Glob(filepath.Join(h.Mount, "*", "memory.swap.max"))
			info.SwapLimit = len(swap)+len(of) > 0
		}
		if has("cpu") {
			info.CPUCfsPeriod, info.CPUCfsQuota, info.CPUShares = true, true, true
		}
		info.CPUSet = info.CPUSet || has("cpuset")
		info.PidsLimit = info.PidsLimit || has("pids")
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	info.IPv4Forwarding = err == nil && strings.TrimSpace(string(forward)) == "1"
}

// cgroupVersion is docker's name of what is mounted: where both are, as systemd's
// hybrid has it, the controllers are those of the first.
func cgroupVersion(m host.CgroupMode) string {
	switch m {
	case host.CgroupV2:
		return "2"
	case host.CgroupNone:
		return ""
	}
	return "1"
}
