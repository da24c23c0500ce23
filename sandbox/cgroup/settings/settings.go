// Package settings translates the limits of a runtime spec to files of control groups, of
// version 1 or 2. It touches none of them.
package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// Setting is one file of the kernel's to write.
type Setting struct {
	Controller string
	File       string
	Value      string
	// Limit is what a user calls it.
	Limit string
	// Otherwise is for kernels without the file; an empty setting does without.
	Otherwise *Setting
}

// memoryAndSwap is v1's limit of both together.
const memoryAndSwap = "memory.memsw.limit_in_bytes"

// cfsQuota and rtRuntime are v1's parts of the period before them.
const (
	cfsQuota  = "cpu.cfs_quota_us"
	rtRuntime = "cpu.rt_runtime_us"
)

// BoundsTheOneBefore says of a file that the kernel takes the value of the limit before
// it only together with its own.
func BoundsTheOneBefore(file string) bool {
	return file == memoryAndSwap || file == cfsQuota || file == rtRuntime
}

// SwapLimit is how a user calls the limit of memory and swap together.
const SwapLimit = "memory-swap"

func number[T int64 | uint64 | uint32 | uint16](p *T) string { return fmt.Sprint(*p) }

// limitOrMax prints a limit for which -1 is none.
func limitOrMax(n int64, none string) string {
	if n < 0 {
		return none
	}
	return strconv.FormatInt(n, 10)
}

// Of translates limits, which the runtime spec words as v1's files, to
// those of v1 or v2 (kernel documentation, cgroup-v1/ and cgroup-v2.rst).
func Of(r *specs.LinuxResources, v2 bool) ([]Setting, error) {
	t := translation{v2: v2}
	t.memory(r.Memory)
	t.cpu(r.CPU)
	t.others(r)
	t.blockIO(r.BlockIO)
	t.network(r.Network)
	t.unified(r.Unified)
	return t.out, t.err
}

// translation collects settings, and the first limit that cannot be one.
type translation struct {
	v2  bool
	out []Setting
	err error
}

// of picks the word of the version.
func (t *translation) of(v1, v2 string) string {
	if t.v2 {
		return v2
	}
	return v1
}

func (t *translation) add(controller, file, value, limit string) {
	t.out = append(t.out, Setting{Controller: controller, File: file, Value: value, Limit: limit})
}

// orElse says what to write where the kernel lacks the file of the last setting.
func (t *translation) orElse(file, value string) {
	last := &t.out[len(t.out)-1]
	last.Otherwise = &Setting{Controller: last.Controller, File: file, Value: value, Limit: last.Limit}
}

// refuse fails for a limit that has been set and that v2 has no word for.
func (t *translation) refuse(set bool, limit string) {
	if set {
		t.fail(errdefs.ErrUnsupported, "limit %s: control groups v2 have none", limit)
	}
}

func (t *translation) fail(kind error, format string, args ...any) {
	if t.err == nil {
		t.err = errdefs.Errorf(kind, "cgroup: "+format, args...)
	}
}

func (t *translation) memory(m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	none := t.of("-1", "max")
	if m.Limit != nil {
		t.add("memory", t.of("memory.limit_in_bytes", "memory.max"), limitOrMax(*m.Limit, none), "memory")
	}
	switch {
	case m.Swap == nil && m.Limit != nil && *m.Limit < 0 && !t.v2:
		// Both together are never less than memory alone, so this limit goes, too.
		t.add("memory", memoryAndSwap, none, SwapLimit)
		t.out[len(t.out)-1].Otherwise = &Setting{} // a kernel that does not count swap
	case m.Swap == nil || *m.Swap == 0:
	case t.v2:
		t.add("memory", "memory.swap.max", t.swapAlone(m), SwapLimit)
	default:
		t.add("memory", memoryAndSwap, limitOrMax(*m.Swap, none), SwapLimit)
	}
	if m.Reservation != nil {
		t.add("memory", t.of("memory.soft_limit_in_bytes", "memory.low"), limitOrMax(*m.Reservation, none),
			"memory-reservation")
	}
	disabled := m.DisableOOMKiller != nil && *m.DisableOOMKiller
	if m.UseHierarchy != nil && !*m.UseHierarchy {
		t.fail(errdefs.ErrUnsupported,
			"linux.resources.memory.useHierarchy: false: memory is always counted with that of the groups below")
	}
	t.kernelMemory(m.Kernel, "memory.kmem.limit_in_bytes", "kernel-memory") //nolint:staticcheck // still asked for
	t.kernelMemory(m.KernelTCP, "memory.kmem.tcp.limit_in_bytes", "kernel-memory-tcp")
	if t.v2 {
		t.refuse(m.Swappiness != nil, "memory-swappiness")
		t.refuse(disabled, "oom-kill-disable")
		return
	}
	if m.Swappiness != nil {
		t.add("memory", "memory.swappiness", number(m.Swappiness), "memory-swappiness")
	}
	if disabled {
		t.add("memory", "memory.oom_control", "1", "oom-kill-disable")
	}
}

// kernelMemory is a limit of v1 alone; newer kernels have its file and refuse.
func (t *translation) kernelMemory(n *int64, file, limit string) {
	switch {
	case n == nil || *n <= 0:
	case t.v2:
		t.refuse(true, limit)
	default:
		t.add("memory", file, number(n), limit)
	}
}

func (t *translation) cpu(c *specs.LinuxCPU) {
	if c == nil {
		return
	}
	if c.Shares != nil && *c.Shares != 0 {
		if t.v2 {
			t.add("cpu", "cpu.weight", strconv.FormatUint(weight(*c.Shares), 10), "cpu-shares")
		} else {
			t.add("cpu", "cpu.shares", number(c.Shares), "cpu-shares")
		}
	}
	t.cpuTime(c)
	if c.Burst != nil {
		t.add("cpu", t.of("cpu.cfs_burst_us", "cpu.max.burst"), number(c.Burst), "cpu-burst")
	}
	if c.Idle != nil {
		t.add("cpu", "cpu.idle", number(c.Idle), "cpu-idle")
	}
	if c.Cpus != "" {
		t.add("cpuset", "cpuset.cpus", c.Cpus, "cpuset-cpus")
	}
	if c.Mems != "" {
		t.add("cpuset", "cpuset.mems", c.Mems, "cpuset-mems")
	}
}

// cpuTime is what of each period may be used.
func (t *translation) cpuTime(c *specs.LinuxCPU) {
	hasPeriod, hasQuota := c.Period != nil && *c.Period != 0, c.Quota != nil && *c.Quota != 0
	hasRTPeriod := c.RealtimePeriod != nil && *c.RealtimePeriod != 0
	hasRT := c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0
	if t.v2 {
		if hasPeriod || hasQuota {
			t.add("cpu", "cpu.max", quotaV2(c), "cpu-quota")
		}
		if hasRTPeriod || hasRT {
			t.fail(errdefs.ErrUnsupported, "limit cpu-rt: control groups v2 have no realtime limits")
		}
		return
	}
	if hasPeriod {
		t.add("cpu", "cpu.cfs_period_us", number(c.Period), "cpu-period")
	}
	if hasQuota {
		t.add("cpu", cfsQuota, number(c.Quota), "cpu-quota")
	}
	if hasRTPeriod {
		t.add("cpu", "cpu.rt_period_us", number(c.RealtimePeriod), "cpu-rt-period")
	}
	if hasRT {
		t.add("cpu", rtRuntime, number(c.RealtimeRuntime), "cpu-rt-runtime")
	}
}

// others are written alike in v1 and v2, or nearly.
func (t *translation) others(r *specs.LinuxResources) {
	if p := r.Pids; p != nil && p.Limit != nil {
		limit := *p.Limit
		if limit == 0 {
			limit = 1 // the first process is in the group by then; with v2 the group takes none at 0
		}
		t.add("pids", "pids.max", limitOrMax(limit, "max"), "pids-limit")
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
		t.add("rdma", "rdma.max", value, "rdma")
	}
	for _, h := range r.HugepageLimits {
		value := strconv.FormatUint(h.Limit, 10)
		for _, kind := range []string{"", ".rsvd"} {
			t.add("hugetlb", "hugetlb."+h.Pagesize+kind+t.of(".limit_in_bytes", ".max"), value, "hugetlb")
		}
		t.out[len(t.out)-1].Otherwise = &Setting{} // reservations are counted since Linux 5.7
	}
}

const noLeafWeight = "limit blkio-leaf-weight: it was of the scheduler CFQ, which Linux 5.0 removed"

func (t *translation) blockIO(b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	controller := t.of("blkio", "io")
	if b.Weight != nil && *b.Weight != 0 {
		t.add(controller, controller+".bfq.weight", number(b.Weight), "blkio-weight")
		t.orElse(t.of("blkio.weight", "io.weight"), t.of(number(b.Weight), ioWeight(*b.Weight)))
	}
	if b.LeafWeight != nil && *b.LeafWeight != 0 {
		t.fail(errdefs.ErrUnsupported, noLeafWeight)
	}
	for _, w := range b.WeightDevice {
		if w.LeafWeight != nil && *w.LeafWeight != 0 {
			t.fail(errdefs.ErrUnsupported, noLeafWeight)
		}
		if w.Weight != nil {
			value := fmt.Sprintf("%d:%d %d", w.Major, w.Minor, *w.Weight)
			t.add(controller, t.of("blkio.bfq.weight_device", "io.bfq.weight"), value, "blkio-weight-device")
		}
	}
	for _, kind := range throttles(b) {
		for _, d := range kind.devices {
			value := fmt.Sprintf("%d:%d %s%d", d.Major, d.Minor, t.of("", kind.v2+"="), d.Rate)
			t.add(controller, t.of(kind.v1, "io.max"), value, kind.limit)
		}
	}
}

func (t *translation) network(n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	if t.v2 {
		t.refuse(n.ClassID != nil && *n.ClassID != 0, "net-cls")
		t.refuse(len(n.Priorities) > 0, "net-prio")
		return
	}
	if n.ClassID != nil {
		t.add("net_cls", "net_cls.classid", number(n.ClassID), "net-cls")
	}
	for _, p := range n.Priorities {
		t.add("net_prio", "net_prio.ifpriomap", fmt.Sprintf("%s %d", p.Name, p.Priority), "net-prio")
	}
}

// unified are files of v2, as they are called.
func (t *translation) unified(files map[string]string) {
	if len(files) > 0 && !t.v2 {
		t.fail(errdefs.ErrUnsupported, "invalid configuration: linux.resources.unified: this host mounts v1 controllers")
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		controller, _, ok := strings.Cut(file, ".")
		if !ok || strings.Contains(file, "/") {
			t.fail(errdefs.ErrInvalid, "linux.resources.unified: %q is no file of a control group", file)
		}
		for line := range strings.Lines(files[file]) { // the kernel takes one device at a time
			t.add(controller, file, strings.TrimSuffix(line, "\n"), "unified "+file)
		}
	}
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
