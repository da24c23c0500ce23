package cgroup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// settingsV2 translates limits, which the runtime spec words as v1's files, to
// those of v2 (kernel documentation, cgroup-v2.rst).
func settingsV2(r *specs.LinuxResources) ([]setting, error) {
	var out []setting
	add := func(controller, file, value, limit string) {
		out = append(out, setting{controller, file, value, limit})
	}
	if m := r.Memory; m != nil {
		if m.Limit != nil {
			add("memory", "memory.max", limitOrMax(*m.Limit, "max"), "memory")
		}
		if m.Swap != nil && *m.Swap != 0 {
			swap, err := swapV2(m)
			if err != nil {
				return nil, err
			}
			add("memory", "memory.swap.max", swap, "memory-swap")
		}
		if m.Reservation != nil {
			add("memory", "memory.low", limitOrMax(*m.Reservation, "max"), "memory-reservation")
		}
	}
	if c := r.CPU; c != nil {
		if c.Shares != nil && *c.Shares != 0 {
			add("cpu", "cpu.weight", strconv.FormatUint(weight(*c.Shares), 10), "cpu-shares")
		}
		if quota := quotaV2(c); quota != "" {
			add("cpu", "cpu.max", quota, "cpu-quota")
		}
		if c.Burst != nil {
			add("cpu", "cpu.max.burst", number(c.Burst), "cpu-burst")
		}
		if c.Idle != nil {
			add("cpu", "cpu.idle", number(c.Idle), "cpu-idle")
		}
		if c.Cpus != "" {
			add("cpuset", "cpuset.cpus", c.Cpus, "cpuset-cpus")
		}
		if c.Mems != "" {
			add("cpuset", "cpuset.mems", c.Mems, "cpuset-mems")
		}
		if c.RealtimePeriod != nil && *c.RealtimePeriod != 0 || c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
			return nil, errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit cpu-rt: control groups v2 have no realtime limits")
		}
	}
	out = append(out, commonSettings(r)...)
	if b := r.BlockIO; b != nil {
		if b.Weight != nil && *b.Weight != 0 {
			add("io", "io.bfq.weight", number(b.Weight), "blkio-weight")
		}
		for _, w := range b.WeightDevice {
			if w.Weight != nil {
				add("io", "io.bfq.weight", fmt.Sprintf("%d:%d %d", w.Major, w.Minor, *w.Weight), "blkio-weight-device")
			}
		}
		for _, t := range throttles(b) {
			for _, d := range t.devices {
				add("io", "io.max", fmt.Sprintf("%d:%d %s=%d", d.Major, d.Minor, t.v2, d.Rate), t.limit)
			}
		}
	}
	for _, h := range r.HugepageLimits {
		add("hugetlb", "hugetlb."+h.Pagesize+".max", strconv.FormatUint(h.Limit, 10), "hugetlb")
	}
	for _, file := range slices.Sorted(maps.Keys(r.Unified)) {
		controller, _, ok := strings.Cut(file, ".")
		if !ok || strings.Contains(file, "/") {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: linux.resources.unified: %q is no file of a control group", file)
		}
		add(controller, file, r.Unified[file], "unified "+file)
	}
	return out, nil
}

// swapV2 is swap alone, where the spec counts memory and swap together.
func swapV2(m *specs.LinuxMemory) (string, error) {
	switch {
	case *m.Swap < 0:
		return "max", nil
	case m.Limit == nil || *m.Limit < 0:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cgroup: limit memory-swap: needs a limit of memory too")
	case *m.Swap < *m.Limit:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cgroup: limit memory-swap: %d is less than the memory limit %d, which it includes", *m.Swap, *m.Limit)
	}
	return strconv.FormatInt(*m.Swap-*m.Limit, 10), nil
}

// weight maps shares [2, 262144] to a weight [1, 10000].
func weight(shares uint64) uint64 {
	shares = min(max(shares, 2), 262144)
	return 1 + (shares-2)*9999/262142
}

func quotaV2(c *specs.LinuxCPU) string {
	if (c.Quota == nil || *c.Quota == 0) && (c.Period == nil || *c.Period == 0) {
		return ""
	}
	quota, period := "max", uint64(100000)
	if c.Quota != nil && *c.Quota > 0 {
		quota = strconv.FormatInt(*c.Quota, 10)
	}
	if c.Period != nil && *c.Period != 0 {
		period = *c.Period
	}
	return fmt.Sprintf("%s %d", quota, period)
}
