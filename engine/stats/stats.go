// Package stats measures what containers use, as `stats` shows it.
package stats

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"cove/engine/machine"
	"cove/runner"
	"cove/sandbox/cgroup"
)

// Sample is what a container used up to a moment.
type Sample struct {
	ID, Name string
	// Ref is what the caller named it by; "" for one of all.
	Ref string
	At  time.Time
	CPU time.Duration // of all processors together
	// Memory is without file cache that can go; Limit is the machine's when
	// the container has none.
	Memory, Limit      uint64
	Received, Sent     uint64 // by its network, in bytes
	ReadBytes, Written uint64 // of block devices
	Pids               uint64
	CPUPercent         float64 // since the sample before; see Since
	MemoryPercent      float64
	// Group are the counters of its control group, of which the above is made.
	Group cgroup.Stats
	// Interfaces are those of its network, but for the loopback.
	Interfaces []Interface
}

// Interface is the traffic of an interface since it is there.
type Interface struct {
	Name           string
	Received, Sent Traffic
}

// Traffic is one direction of it; Dropped and Errors are packets.
type Traffic struct{ Bytes, Packets, Errors, Dropped uint64 }

// Take measures a running container; one that does not run is
// errdefs.ErrConflict.
func Take(ctx context.Context, c *runner.Container) (Sample, error) {
	used, err := c.Stats(ctx)
	if err != nil {
		return Sample{}, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return Sample{}, err
	}
	s := Sample{
		ID: c.ID(), Name: c.Name(), At: time.Now(), CPU: time.Duration(used.CPU.Usage),
		Memory: used.Memory.Usage, Limit: used.Memory.Limit, Pids: used.Pids.Current, Group: used,
	}
	if used.Memory.Cache < s.Memory {
		s.Memory -= used.Memory.Cache
	}
	if s.Limit == 0 {
		s.Limit = uint64(machine.Memory())
	}
	if s.Limit > 0 {
		s.MemoryPercent = 100 * float64(s.Memory) / float64(s.Limit)
	}
	for _, d := range used.IO {
		s.ReadBytes += d.ReadBytes
		s.Written += d.WriteBytes
	}
	// It may end now; then there is no network to ask.
	if dev, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", state.Pid)); err == nil {
		s.Interfaces = interfaces(string(dev))
	}
	for _, i := range s.Interfaces {
		s.Received += i.Received.Bytes
		s.Sent += i.Sent.Bytes
	}
	return s, nil
}

// Since is s with what it used since before; 100 % is one processor.
func (s Sample) Since(before Sample) Sample {
	if d := s.At.Sub(before.At); d > 0 && s.CPU >= before.CPU {
		s.CPUPercent = 100 * float64(s.CPU-before.CPU) / float64(d)
	}
	return s
}

// Between are the samples of after with what each container used since before;
// one that was not measured before stays as it is.
func Between(before, after []Sample) []Sample {
	was := make(map[string]Sample, len(before))
	for _, s := range before {
		was[s.ID] = s
	}
	out := make([]Sample, 0, len(after))
	for _, s := range after {
		if old, ok := was[s.ID]; ok {
			s = s.Since(old)
		}
		out = append(out, s)
	}
	return out
}

// interfaces reads /proc/PID/net/dev: eight counters of what was received, of which the
// first four count here, and then eight of what was sent.
func interfaces(dev string) (all []Interface) {
	for line := range strings.Lines(dev) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if name = strings.TrimSpace(name); !ok || name == "lo" || len(f) < 16 {
			continue
		}
		all = append(all, Interface{Name: name, Received: counters(f[:8]), Sent: counters(f[8:])})
	}
	return all
}

func counters(f []string) (t Traffic) {
	for i, to := range []*uint64{&t.Bytes, &t.Packets, &t.Errors, &t.Dropped} {
		*to, _ = strconv.ParseUint(f[i], 10, 64)
	}
	return t
}
