// Package cgroup makes, limits, measures and removes control groups, in v1,
// hybrid and v2 mode alike.
//
// It writes the kernel's files itself: a container start pays for everything
// linked into the runtime, and what is needed of systemd and dbus here is
// nothing.
package cgroup

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/host"
)

// Group is one container's control group, in all hierarchies of the host.
type Group struct {
	host host.Cgroup
	path string
}

// Create makes the group at path, as "/cove/<id>" below the top of each mounted
// hierarchy, with limits r (nil: none). An existing empty group is taken over.
func Create(h host.Cgroup, path string, r *specs.LinuxResources) (*Group, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: create is not there yet")
}

// Load names a group that exists.
func Load(h host.Cgroup, path string) *Group { return &Group{host: h, path: path} }

// Path returns the group's path below the top of each hierarchy.
func (g *Group) Path() string { return g.path }

// Add moves process pid into the group.
func (g *Group) Add(pid int) error { return nil }

// Update changes limits; what r leaves nil stays.
func (g *Group) Update(r *specs.LinuxResources) error { return nil }

// Procs lists the pids in the group and the groups below it.
func (g *Group) Procs() ([]int, error) { return nil, nil }

// Freeze stops all processes of the group, Thaw lets them go on.
func (g *Group) Freeze(ctx context.Context) error { return nil }

// Thaw undoes Freeze.
func (g *Group) Thaw(ctx context.Context) error { return nil }

// Frozen reports whether the group is frozen.
func (g *Group) Frozen() (bool, error) { return false, nil }

// Kill sends SIGKILL to every process of the group until none is left.
func (g *Group) Kill(ctx context.Context) error { return nil }

// Delete removes the empty group; a group that is not there is no error.
func (g *Group) Delete(ctx context.Context) error { return nil }

// Stats reads what the group used.
func (g *Group) Stats() (Stats, error) { return Stats{}, nil }

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
}

// MemoryStats is the use of memory.
type MemoryStats struct {
	Usage, Max, Limit uint64 // Limit is zero if there is none
	// Cache is inactive file cache, which docker subtracts from Usage.
	Cache uint64
	// OOMKills counts processes of the group killed for its limit.
	OOMKills uint64
	// Failures counts how often the limit was hit.
	Failures uint64
}

// PidsStats is the number of processes and threads.
type PidsStats struct{ Current, Limit uint64 }

// IOStats is the traffic of one block device.
type IOStats struct {
	Major, Minor                             uint64
	ReadBytes, WriteBytes, ReadOps, WriteOps uint64
}
