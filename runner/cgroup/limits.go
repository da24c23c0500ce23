package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/runner/host"
)

// setting is one file of the kernel's to write.
type setting struct {
	controller string
	file       string
	value      string
	limit      string // how a user calls it
}

// Update changes limits; what r leaves nil stays.
func (g *Group) Update(r *specs.LinuxResources) error { return g.apply(r, false) }

// apply writes limits; fresh says that the group is new, and gets device rules.
func (g *Group) apply(r *specs.LinuxResources, fresh bool) error {
	var settings []setting
	var err error
	if g.host.Mode == host.CgroupV2 {
		settings, err = settingsV2(r)
	} else {
		settings, err = settingsV1(r)
	}
	if err != nil {
		return err
	}
	for _, s := range settings {
		if err := g.set(s); err != nil {
			return err
		}
	}
	if fresh && len(r.Devices) > 0 {
		return g.setDevices(r.Devices)
	}
	return nil
}

func (g *Group) set(s setting) error {
	dir := g.find(s.controller)
	if dir == "" {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit %s: this host has no controller %q", s.limit, s.controller)
	}
	err := writeFile(dir, s.file, s.value)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit %s: this kernel has no %s", s.limit, s.file)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		return errdefs.Errorf(errdefs.ErrInvalid, "cgroup: limit %s: the kernel refuses %q: %w", s.limit, s.value, err)
	case errors.Is(err, unix.EBUSY):
		return errdefs.Errorf(errdefs.ErrConflict, "cgroup: limit %s: more than that is in use: %w", s.limit, err)
	}
	return err
}

func number[T int64 | uint64 | uint32 | uint16](p *T) string { return fmt.Sprint(*p) }

// limitOrMax prints a limit for which -1 is none.
func limitOrMax(n int64, none string) string {
	if n < 0 {
		return none
	}
	return strconv.FormatInt(n, 10)
}

func settingsV1(r *specs.LinuxResources) ([]setting, error) {
	if len(r.Unified) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: linux.resources.unified: this host mounts v1 controllers")
	}
	var out []setting
	add := func(controller, file, value, limit string) {
		out = append(out, setting{controller, file, value, limit})
	}
	if m := r.Memory; m != nil {
		if m.Limit != nil {
			add("memory", "memory.limit_in_bytes", limitOrMax(*m.Limit, "-1"), "memory")
		}
		if m.Swap != nil && *m.Swap != 0 && swapAccounting(m) {
			add("memory", "memory.memsw.limit_in_bytes", limitOrMax(*m.Swap, "-1"), "memory-swap")
		}
		if m.Reservation != nil {
			add("memory", "memory.soft_limit_in_bytes", limitOrMax(*m.Reservation, "-1"), "memory-reservation")
		}
		if m.Swappiness != nil {
			add("memory", "memory.swappiness", number(m.Swappiness), "memory-swappiness")
		}
		if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
			add("memory", "memory.oom_control", "1", "oom-kill-disable")
		}
	}
	if c := r.CPU; c != nil {
		if c.Shares != nil && *c.Shares != 0 {
			add("cpu", "cpu.shares", number(c.Shares), "cpu-shares")
		}
		if c.Period != nil && *c.Period != 0 {
			add("cpu", "cpu.cfs_period_us", number(c.Period), "cpu-period")
		}
		if c.Quota != nil && *c.Quota != 0 {
			add("cpu", "cpu.cfs_quota_us", number(c.Quota), "cpu-quota")
		}
		if c.Burst != nil {
			add("cpu", "cpu.cfs_burst_us", number(c.Burst), "cpu-burst")
		}
		if c.RealtimePeriod != nil && *c.RealtimePeriod != 0 {
			add("cpu", "cpu.rt_period_us", number(c.RealtimePeriod), "cpu-rt-period")
		}
		if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
			add("cpu", "cpu.rt_runtime_us", number(c.RealtimeRuntime), "cpu-rt-runtime")
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
	}
	out = append(out, commonSettings(r)...)
	if b := r.BlockIO; b != nil {
		if b.Weight != nil && *b.Weight != 0 {
			add("blkio", "blkio.bfq.weight", number(b.Weight), "blkio-weight")
		}
		for _, w := range b.WeightDevice {
			if w.Weight != nil {
				add("blkio", "blkio.bfq.weight_device", fmt.Sprintf("%d:%d %d", w.Major, w.Minor, *w.Weight), "blkio-weight-device")
			}
		}
		for _, t := range throttles(b) {
			for _, d := range t.devices {
				add("blkio", t.v1, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, d.Rate), t.limit)
			}
		}
	}
	for _, h := range r.HugepageLimits {
		add("hugetlb", "hugetlb."+h.Pagesize+".limit_in_bytes", strconv.FormatUint(h.Limit, 10), "hugetlb")
	}
	if n := r.Network; n != nil {
		if n.ClassID != nil {
			add("net_cls", "net_cls.classid", number(n.ClassID), "net-cls")
		}
		for _, p := range n.Priorities {
			add("net_prio", "net_prio.ifpriomap", fmt.Sprintf("%s %d", p.Name, p.Priority), "net-prio")
		}
	}
	return out, nil
}

// swapAccounting is false for the wish that memory and swap together be what
// memory is already limited to, on a kernel that cannot count swap: without
// swap there is nothing to limit.
func swapAccounting(m *specs.LinuxMemory) bool {
	if _, err := os.Stat("/proc/swaps"); err != nil {
		return false
	}
	b, err := os.ReadFile("/proc/swaps")
	return err != nil || strings.Count(string(b), "\n") > 1 || *m.Swap < 0
}

// commonSettings are written alike in v1 and v2.
func commonSettings(r *specs.LinuxResources) []setting {
	var out []setting
	if p := r.Pids; p != nil && p.Limit != nil && *p.Limit != 0 {
		out = append(out, setting{"pids", "pids.max", limitOrMax(*p.Limit, "max"), "pids-limit"})
	}
	for _, device := range slices.Sorted(maps.Keys(r.Rdma)) {
		limit := r.Rdma[device]
		value := device
		if limit.HcaHandles != nil {
			value += " hca_handle=" + number(limit.HcaHandles)
		}
		if limit.HcaObjects != nil {
			value += " hca_object=" + number(limit.HcaObjects)
		}
		out = append(out, setting{"rdma", "rdma.max", value, "rdma"})
	}
	return out
}

type throttle struct {
	v1, v2, limit string
	devices       []specs.LinuxThrottleDevice
}

func throttles(b *specs.LinuxBlockIO) []throttle {
	return []throttle{
		{"blkio.throttle.read_bps_device", "rbps", "device-read-bps", b.ThrottleReadBpsDevice},
		{"blkio.throttle.write_bps_device", "wbps", "device-write-bps", b.ThrottleWriteBpsDevice},
		{"blkio.throttle.read_iops_device", "riops", "device-read-iops", b.ThrottleReadIOPSDevice},
		{"blkio.throttle.write_iops_device", "wiops", "device-write-iops", b.ThrottleWriteIOPSDevice},
	}
}
