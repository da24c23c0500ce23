// Package limits are the limits of a container that runc's update takes one by one, as flags.
package limits

import (
	"flag"
	"strconv"

	"github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// Flags declares those of single limits. The function returns what was given, when the
// flags have been read.
func Flags(set *flag.FlagSet) func() (*specs.LinuxResources, error) {
	r := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}, Pids: &specs.LinuxPids{}, BlockIO: &specs.LinuxBlockIO{},
	}
	for _, f := range []struct {
		name, help string
		into       **int64
		read       func(string) (int64, error)
	}{
		{"cpu-quota", "`µs` of processor time in each period; -1 for no limit", &r.CPU.Quota, integer},
		{"cpu-rt-runtime", "`µs` of real-time processor time in each period", &r.CPU.RealtimeRuntime, integer},
		{"cpu-idle", "`0|1`, where 1 runs it only when nothing else wants to", &r.CPU.Idle, integer},
		{"pids-limit", "`N` processes and threads at most; -1 for no limit", &r.Pids.Limit, integer},
		{"memory", "`BYTES` of memory, as 64m; -1 for no limit", &r.Memory.Limit, memorySize},
		{"memory-swap", "`BYTES` of memory and swap together; -1 for no limit", &r.Memory.Swap, memorySize},
		{"memory-reservation", "`BYTES` that it is left with when memory is short", &r.Memory.Reservation, memorySize},
	} {
		set.Func(f.name, f.help, number(f.into, f.read))
	}
	for _, f := range []struct {
		name, help string
		into       **uint64
	}{
		{"cpu-period", "`µs` of a period", &r.CPU.Period},
		{"cpu-rt-period", "`µs` of a period for real-time processes", &r.CPU.RealtimePeriod},
		{"cpu-burst", "`µs` that it may have saved from earlier periods", &r.CPU.Burst},
		{"cpu-share", "`WEIGHT` beside others; 1024 is the usual", &r.CPU.Shares},
	} {
		set.Func(f.name, f.help, number(f.into, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }))
	}
	set.Func("blkio-weight", "`WEIGHT` of its block I/O, 10 to 1000", number(&r.BlockIO.Weight, weight))
	set.StringVar(&r.CPU.Cpus, "cpuset-cpus", "", "`LIST` of processors, as 0-3,6")
	set.StringVar(&r.CPU.Mems, "cpuset-mems", "", "`LIST` of memory nodes")
	for _, name := range []string{"l3-cache-schema", "mem-bw-schema"} {
		set.Func(name, "not supported: Intel RDT", func(string) error {
			return errdefs.Errorf(errdefs.ErrUnsupported, "Intel RDT is not supported")
		})
	}
	return func() (*specs.LinuxResources, error) {
		if r.CPU.Idle != nil && *r.CPU.Idle != 0 && *r.CPU.Idle != 1 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "update: --cpu-idle %d: want 0 or 1", *r.CPU.Idle)
		}
		return r, nil
	}
}

func integer(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func weight(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err
}

func number[T any](into **T, read func(string) (T, error)) func(string) error {
	return func(s string) error {
		n, err := read(s)
		*into = &n
		return err
	}
}

// memorySize reads bytes, with a unit or without; -1 is no limit.
func memorySize(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	return units.RAMInBytes(s)
}
