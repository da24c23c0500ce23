package runspec

import (
	"cmp"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
)

// Updated are the limits r with those of change that are not zero in their place, and
// changed is what of them a running container's groups have to be told. What cannot be
// together is ErrInvalid, in docker's words. A limit of processes of -1 is none.
func Updated(r, change record.Resources) (updated, changed record.Resources, err error) {
	switch {
	case r.NanoCPUs > 0 && change.NanoCPUs == 0 && change.CPUPeriod != 0:
		err = errdefs.Errorf(errdefs.ErrInvalid,
			"Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set")
	case r.NanoCPUs > 0 && change.NanoCPUs == 0 && change.CPUQuota != 0:
		err = errdefs.Errorf(errdefs.ErrInvalid,
			"Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
	case r.MemorySwap > 0 && change.Memory > r.MemorySwap && change.MemorySwap == 0:
		err = errdefs.Errorf(errdefs.ErrInvalid,
			"Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
	}
	updated = r
	for _, field := range []struct {
		into *int64
		with int64
	}{
		{&updated.Memory, change.Memory},
		{&updated.MemorySwap, change.MemorySwap},
		{&updated.MemoryReservation, change.MemoryReservation},
		{&updated.NanoCPUs, change.NanoCPUs},
		{&updated.CPUPeriod, change.CPUPeriod},
		{&updated.CPUQuota, change.CPUQuota},
		{&updated.CPURealtimePeriod, change.CPURealtimePeriod},
		{&updated.CPURealtimeRuntime, change.CPURealtimeRuntime},
		{&updated.PidsLimit, change.PidsLimit},
	} {
		*field.into = cmp.Or(field.with, *field.into)
	}
	updated.CPUShares = cmp.Or(change.CPUShares, r.CPUShares)
	updated.BlkioWeight = cmp.Or(change.BlkioWeight, r.BlkioWeight)
	updated.Cpuset, updated.Memset = cmp.Or(change.Cpuset, r.Cpuset), cmp.Or(change.Memset, r.Memset)
	changed = change
	if changed.Memory != 0 || changed.MemorySwap != 0 { // they go together
		changed.Memory, changed.MemorySwap = updated.Memory, updated.MemorySwap
	}
	return updated, changed, err
}

// Limits are those of resources that can change while a container runs, as the
// runtime spec has them.
func Limits(r record.Resources) *specs.LinuxResources {
	l := &specs.LinuxResources{Memory: memory(r), CPU: cpu(r)}
	if r.BlkioWeight > 0 {
		l.BlockIO = &specs.LinuxBlockIO{Weight: &r.BlkioWeight}
	}
	if r.PidsLimit != 0 {
		l.Pids = &specs.LinuxPids{Limit: &r.PidsLimit}
	}
	return l
}

// Relimited is what a spec has of limits with those of r in their place; rules over
// devices, and limits at single ones, stay.
func Relimited(spec *specs.LinuxResources, r record.Resources) *specs.LinuxResources {
	out, now := specs.LinuxResources{}, Limits(r)
	if spec != nil {
		out = *spec
	}
	out.Memory, out.CPU, out.Pids = now.Memory, now.CPU, now.Pids
	if now.BlockIO != nil {
		weight := now.BlockIO.Weight
		if out.BlockIO != nil {
			*now.BlockIO = *out.BlockIO
		}
		now.BlockIO.Weight, out.BlockIO = weight, now.BlockIO
	}
	return &out
}
