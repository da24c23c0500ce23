package cgroup

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
)

// Stats is what a group used. Sizes are in bytes, times in nanoseconds.
type Stats struct {
	CPU    CPUStats
	Memory MemoryStats
	Pids   PidsStats
	IO     []IOStats
}

// CPUStats is the use of processors.
type CPUStats struct {
	Usage, User, System               uint64
	Periods, Throttled, ThrottledTime uint64
	// PerCPU is Usage by processor, in v1 alone.
	PerCPU []uint64
}

// MemoryStats is the use of memory.
type MemoryStats struct {
	// Limit is zero if there is none.
	Usage, Max, Limit uint64
	// Cache is inactive file cache, which docker subtracts from Usage.
	Cache uint64
	// OOMKills counts processes of the group, and of those in it, killed for want of memory.
	OOMKills uint64
	// Failures counts how often the limit was hit.
	Failures uint64
	// Swap is memory and swap together. A host that does not count swap has zeros.
	Swap SwapStats
	// Raw are the counters of memory.stat.
	Raw map[string]uint64
}

// SwapStats is the use of memory and swap together; Limit is zero if there is none.
type SwapStats struct{ Usage, Max, Limit, Failures uint64 }

// PidsStats is the number of processes and threads; Limit is zero if there is
// none.
type PidsStats struct{ Current, Limit uint64 }

// IOStats is the traffic of one block device.
type IOStats struct {
	Major, Minor                             uint64
	ReadBytes, WriteBytes, ReadOps, WriteOps uint64
}

// unlimited is what v1 prints for no memory limit, about 2⁶³.
const unlimited = 1 << 62

// Stats reads what the group used. Controllers that the host lacks are zero.
func (g *Group) Stats() (Stats, error) {
	r := reader{}
	var s Stats
	if len(g.host.Hierarchies) == 0 {
		return s, errdefs.Errorf(errdefs.ErrUnsupported,
			"cgroup: what is used is told by control groups, and none is delegated to this user (systemd's Delegate=)")
	}
	if g.host.Mode == host.CgroupV2 {
		dir := g.dir(&g.host.Hierarchies[0])
		s = r.statsV2(dir)
	} else {
		s = r.statsV1(g)
	}
	if r.err != nil {
		return s, fmt.Errorf("cgroup: %s: reading its use: %w", g.path, r.err)
	}
	return s, nil
}

// reader reads numbers and keeps the first error; a missing file is none, nor is one whose group was removed
// between its opening and its reading.
type reader struct{ err error }

func (r *reader) text(dir, name string) string {
	if dir == "" {
		return ""
	}
	b, err := os.ReadFile(dir + "/" + name)
	gone := errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV)
	if err != nil && !gone && r.err == nil {
		r.err = err
	}
	return strings.TrimSpace(string(b))
}

func (r *reader) number(dir, name string) uint64 {
	n, _ := strconv.ParseUint(r.text(dir, name), 10, 64) // "max" is zero: none
	return n
}

// pairs reads lines of a key and a number.
func (r *reader) pairs(dir, name string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(r.text(dir, name)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out[key], _ = strconv.ParseUint(value, 10, 64)
		}
	}
	return out
}

func (r *reader) statsV1(g *Group) Stats {
	const tick = 1e9 / 100 // USER_HZ
	var s Stats
	acct, memory, cpu := g.find("cpuacct"), g.find("memory"), g.find("cpu")
	s.CPU.Usage = r.number(acct, "cpuacct.usage")
	times := r.pairs(acct, "cpuacct.stat")
	s.CPU.User, s.CPU.System = times["user"]*tick, times["system"]*tick
	for _, field := range strings.Fields(r.text(acct, "cpuacct.usage_percpu")) {
		n, _ := strconv.ParseUint(field, 10, 64) // the kernel writes numbers only
		s.CPU.PerCPU = append(s.CPU.PerCPU, n)
	}
	throttled := r.pairs(cpu, "cpu.stat")
	s.CPU.Periods, s.CPU.Throttled = throttled["nr_periods"], throttled["nr_throttled"]
	s.CPU.ThrottledTime = throttled["throttled_time"]
	s.Memory.Usage = r.number(memory, "memory.usage_in_bytes")
	s.Memory.Max = r.number(memory, "memory.max_usage_in_bytes")
	if limit := r.number(memory, "memory.limit_in_bytes"); limit < unlimited {
		s.Memory.Limit = limit
	}
	s.Memory.Failures = r.number(memory, "memory.failcnt")
	s.Memory.Raw = r.pairs(memory, "memory.stat")
	s.Memory.Cache = s.Memory.Raw["total_inactive_file"]
	s.Memory.Swap = SwapStats{
		Usage:    r.number(memory, "memory.memsw.usage_in_bytes"),
		Max:      r.number(memory, "memory.memsw.max_usage_in_bytes"),
		Failures: r.number(memory, "memory.memsw.failcnt"),
	}
	if limit := r.number(memory, "memory.memsw.limit_in_bytes"); limit < unlimited {
		s.Memory.Swap.Limit = limit
	}
	s.Memory.OOMKills = r.oomKillsV1(memory)
	pids := g.find("pids")
	s.Pids = PidsStats{Current: r.number(pids, "pids.current"), Limit: r.number(pids, "pids.max")}
	blkio := g.find("blkio")
	devices := ioTable{}
	devices.v1(r.text(blkio, "blkio.throttle.io_service_bytes_recursive"),
		func(d *IOStats) (*uint64, *uint64) { return &d.ReadBytes, &d.WriteBytes })
	devices.v1(r.text(blkio, "blkio.throttle.io_serviced_recursive"),
		func(d *IOStats) (*uint64, *uint64) { return &d.ReadOps, &d.WriteOps })
	s.IO = devices.list
	return s
}

// oomKillsV1 adds up the groups below dir: v1 counts a kill only where the
// process was, v2 in every group above it, too.
func (r *reader) oomKillsV1(dir string) uint64 {
	if dir == "" {
		return 0
	}
	n := r.pairs(dir, "memory.oom_control")["oom_kill"]
	below, err := children(dir)
	if err != nil && r.err == nil {
		r.err = err
	}
	for _, child := range below {
		n += r.oomKillsV1(child)
	}
	return n
}

func (r *reader) statsV2(dir string) Stats {
	const micro = 1000
	var s Stats
	cpu := r.pairs(dir, "cpu.stat")
	s.CPU = CPUStats{
		Usage: cpu["usage_usec"] * micro, User: cpu["user_usec"] * micro, System: cpu["system_usec"] * micro,
		Periods: cpu["nr_periods"], Throttled: cpu["nr_throttled"], ThrottledTime: cpu["throttled_usec"] * micro,
	}
	events := r.pairs(dir, "memory.events")
	raw := r.pairs(dir, "memory.stat")
	s.Memory = MemoryStats{
		Usage: r.number(dir, "memory.current"), Max: r.number(dir, "memory.peak"),
		Limit: r.number(dir, "memory.max"), Cache: raw["inactive_file"], Raw: raw,
		OOMKills: events["oom_kill"], Failures: events["max"],
	}
	s.Memory.Swap = SwapStats{
		Usage:    s.Memory.Usage + r.number(dir, "memory.swap.current"),
		Failures: r.pairs(dir, "memory.swap.events")["max"],
	}
	if limit := r.number(dir, "memory.swap.max"); limit > 0 && s.Memory.Limit > 0 {
		s.Memory.Swap.Limit = s.Memory.Limit + limit
	}
	s.Pids = PidsStats{Current: r.number(dir, "pids.current"), Limit: r.number(dir, "pids.max")}
	devices := ioTable{}
	devices.v2(r.text(dir, "io.stat"))
	s.IO = devices.list
	return s
}

// ioTable collects counters by device.
type ioTable struct{ list []IOStats }

func (t *ioTable) device(name string) *IOStats {
	var d IOStats
	if n, _ := fmt.Sscanf(name, "%d:%d", &d.Major, &d.Minor); n != 2 {
		return nil
	}
	for i := range t.list {
		if t.list[i].Major == d.Major && t.list[i].Minor == d.Minor {
			return &t.list[i]
		}
	}
	t.list = append(t.list, d)
	return &t.list[len(t.list)-1]
}

// v1 reads lines as "8:0 Read 4096".
func (t *ioTable) v1(text string, counters func(*IOStats) (read, write *uint64)) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 || f[1] != "Read" && f[1] != "Write" {
			continue
		}
		d := t.device(f[0])
		n, err := strconv.ParseUint(f[2], 10, 64)
		if d == nil || err != nil {
			continue
		}
		read, write := counters(d)
		if f[1] == "Write" {
			read = write
		}
		*read = n
	}
}

// v2 reads lines as "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …".
func (t *ioTable) v2(text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		d := t.device(f[0])
		if d == nil {
			continue
		}
		for _, kv := range f[1:] {
			key, value, _ := strings.Cut(kv, "=")
			n, _ := strconv.ParseUint(value, 10, 64)
			switch key {
			case "rbytes":
				d.ReadBytes = n
			case "wbytes":
				d.WriteBytes = n
			case "rios":
				d.ReadOps = n
			case "wios":
				d.WriteOps = n
			}
		}
	}
}
