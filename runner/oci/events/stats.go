package events

import (
	"math"

	"cove/sandbox/cgroup"
)

// stats is what runc's events say that a container uses: times in nanoseconds, sizes
// in bytes. They have no limit where that is the largest number.
type stats struct {
	CPU    cpu    `json:"cpu"`
	Memory memory `json:"memory"`
	Pids   pids   `json:"pids"`
	Blkio  blkio  `json:"blkio"`
}

type cpu struct {
	Usage struct {
		Total  uint64   `json:"total,omitempty"`
		PerCPU []uint64 `json:"percpu,omitempty"`
		Kernel uint64   `json:"kernel"`
		User   uint64   `json:"user"`
	} `json:"usage"`
	Throttling struct {
		Periods   uint64 `json:"periods,omitempty"`
		Throttled uint64 `json:"throttledPeriods,omitempty"`
		Time      uint64 `json:"throttledTime,omitempty"`
	} `json:"throttling"`
}

type memory struct {
	Cache uint64            `json:"cache,omitempty"`
	Usage memoryUse         `json:"usage"`
	Swap  memoryUse         `json:"swap"`
	Raw   map[string]uint64 `json:"raw,omitempty"`
}

type memoryUse struct {
	Limit    uint64 `json:"limit"`
	Usage    uint64 `json:"usage,omitempty"`
	Max      uint64 `json:"max,omitempty"`
	Failures uint64 `json:"failcnt"`
}

type pids struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

type blkio struct {
	Bytes []traffic `json:"ioServiceBytesRecursive,omitempty"`
	Ops   []traffic `json:"ioServicedRecursive,omitempty"`
}

type traffic struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	Op    string `json:"op"`
	Value uint64 `json:"value"`
}

func statsOf(from *cgroup.Stats) (s stats) {
	s.CPU.Usage.Total, s.CPU.Usage.PerCPU = from.CPU.Usage, from.CPU.PerCPU
	s.CPU.Usage.Kernel, s.CPU.Usage.User = from.CPU.System, from.CPU.User
	s.CPU.Throttling.Periods, s.CPU.Throttling.Throttled = from.CPU.Periods, from.CPU.Throttled
	s.CPU.Throttling.Time = from.CPU.ThrottledTime
	m := &from.Memory
	s.Memory = memory{
		Usage: memoryUse{Limit: limit(m.Limit), Usage: m.Usage, Max: m.Max, Failures: m.Failures},
		Swap: memoryUse{
			Limit: limit(m.Swap.Limit), Usage: m.Swap.Usage, Max: m.Swap.Max, Failures: m.Swap.Failures,
		},
		Raw: m.Raw,
	}
	s.Memory.Cache = m.Raw["cache"]
	if file, v2 := m.Raw["file"]; v2 {
		s.Memory.Cache = file
	}
	s.Pids = pids{Current: from.Pids.Current, Limit: from.Pids.Limit}
	for _, d := range from.IO {
		s.Blkio.Bytes = append(s.Blkio.Bytes,
			traffic{d.Major, d.Minor, "Read", d.ReadBytes}, traffic{d.Major, d.Minor, "Write", d.WriteBytes})
		s.Blkio.Ops = append(s.Blkio.Ops,
			traffic{d.Major, d.Minor, "Read", d.ReadOps}, traffic{d.Major, d.Minor, "Write", d.WriteOps})
	}
	return s
}

// limit is a limit in runc's form, which has no zero for none.
func limit(n uint64) uint64 {
	if n == 0 {
		return math.MaxUint64
	}
	return n
}
