package oci

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/oci/bundle"
)

// update is the command: limits as JSON, or one by one in runc's flags.
func (a *app) update(ctx context.Context, args []string) (int, error) {
	set := flags("update")
	file := set.String("resources", "", "")
	set.StringVar(file, "r", "", "")
	single := limitFlags(set)
	rest, err := parse(set, args, 1, 1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	r, err := single()
	if err == nil && *file != "" {
		r, err = a.readLimits(*file)
	}
	if err != nil {
		return 1, err
	}
	bundle.OlderPids(c.Spec.Version, r)
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	return 0, g.Update(r)
}

func (a *app) readLimits(file string) (*specs.LinuxResources, error) {
	in := a.in
	if file != "-" {
		var err error
		if in, err = os.Open(file); err != nil {
			return nil, fmt.Errorf("update: %w", err)
		}
		defer in.Close()
	}
	r := &specs.LinuxResources{}
	if err := json.NewDecoder(in).Decode(r); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "update: %s: %v", file, err)
	}
	return r, nil
}

// limitFlags are those of single limits. The function returns what was given,
// when the flags have been read.
func limitFlags(set *flag.FlagSet) func() (*specs.LinuxResources, error) {
	r := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}, Pids: &specs.LinuxPids{}, BlockIO: &specs.LinuxBlockIO{},
	}
	for name, into := range map[string]**int64{
		"cpu-quota": &r.CPU.Quota, "cpu-rt-runtime": &r.CPU.RealtimeRuntime, "cpu-idle": &r.CPU.Idle,
		"pids-limit": &r.Pids.Limit,
	} {
		set.Func(name, "", number(into, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }))
	}
	for name, into := range map[string]**uint64{
		"cpu-period": &r.CPU.Period, "cpu-rt-period": &r.CPU.RealtimePeriod, "cpu-burst": &r.CPU.Burst,
		"cpu-share": &r.CPU.Shares,
	} {
		set.Func(name, "", number(into, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }))
	}
	for name, into := range map[string]**int64{
		"memory": &r.Memory.Limit, "memory-swap": &r.Memory.Swap, "memory-reservation": &r.Memory.Reservation,
	} {
		set.Func(name, "", number(into, memorySize))
	}
	set.Func("blkio-weight", "", number(&r.BlockIO.Weight, func(s string) (uint16, error) {
		n, err := strconv.ParseUint(s, 10, 16)
		return uint16(n), err
	}))
	set.StringVar(&r.CPU.Cpus, "cpuset-cpus", "", "")
	set.StringVar(&r.CPU.Mems, "cpuset-mems", "", "")
	return func() (*specs.LinuxResources, error) {
		if r.CPU.Idle != nil && *r.CPU.Idle != 0 && *r.CPU.Idle != 1 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "update: --cpu-idle %d: want 0 or 1", *r.CPU.Idle)
		}
		return r, nil
	}
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
