package cgroup

import (
	"errors"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/cgroup/settings"
	"cove/sandbox/host"
)

// Update changes limits; what r leaves nil stays.
func (g *Group) Update(r *specs.LinuxResources) error { return g.apply(r, false) }

// apply writes limits; fresh says that the group is new, and gets device rules.
func (g *Group) apply(r *specs.LinuxResources, fresh bool) error {
	list, err := settings.Of(r, g.host.Mode == host.CgroupV2)
	if err == nil && !fresh {
		err = g.checkUse(r.Memory)
	}
	if err != nil {
		return err
	}
	for i, s := range list {
		err := g.set(s)
		if errors.Is(err, errdefs.ErrInvalid) && i+1 < len(list) && settings.BoundsTheOneBefore(list[i+1].File) {
			// v1 keeps memory at or below memory and swap together: where both
			// grow, the sum goes first. And it keeps the quota's part of the period
			// within that of the group above: where both shrink, the quota goes first.
			if err = g.set(list[i+1]); err == nil {
				err = g.set(s)
			}
		}
		if err != nil {
			return err
		}
	}
	if fresh && len(r.Devices) > 0 {
		return g.setDevices(r.Devices)
	}
	return nil
}

// checkUse refuses a limit of memory below what is in use, where that is asked
// for: the kernel would kill for it, or fail after it had tried to free enough.
func (g *Group) checkUse(m *specs.LinuxMemory) error {
	if m == nil || m.CheckBeforeUpdate == nil || !*m.CheckBeforeUpdate || m.Limit == nil || *m.Limit < 0 {
		return nil
	}
	stats, err := g.Stats()
	if err == nil && stats.Memory.Usage > uint64(*m.Limit) {
		err = errdefs.Errorf(errdefs.ErrConflict,
			"cgroup: limit memory: %d bytes are in use, more than %d", stats.Memory.Usage, *m.Limit)
	}
	return err
}

func (g *Group) set(s settings.Setting) error {
	dir := g.find(s.Controller)
	if dir == "" && g.host.Delegated {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit %s: the controller %q is not delegated to this user "+
			"(systemd's Delegate=)", s.Limit, s.Controller)
	}
	if dir == "" {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit %s: no controller %q here", s.Limit, s.Controller)
	}
	err := writeFile(dir, s.File, s.Value)
	switch {
	case errors.Is(err, os.ErrNotExist) && s.Otherwise != nil:
		if *s.Otherwise == (settings.Setting{}) {
			return nil
		}
		return g.set(*s.Otherwise)
	case errors.Is(err, os.ErrNotExist) && s.Limit == settings.SwapLimit && !hasSwap():
		return nil // a kernel that does not count swap, and has none to give
	case errors.Is(err, os.ErrNotExist):
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit %s: this kernel has no %s", s.Limit, s.File)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		return errdefs.Errorf(errdefs.ErrInvalid, "cgroup: limit %s: the kernel refuses %q: %w", s.Limit, s.Value, err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: limit %s: this kernel no longer has it", s.Limit)
	case errors.Is(err, unix.EBUSY):
		return errdefs.Errorf(errdefs.ErrConflict, "cgroup: limit %s: more than that is in use: %w", s.Limit, err)
	}
	return err
}

// hasSwap reports whether the host has any swap; if that cannot be told, it has.
func hasSwap() bool {
	b, err := host.ReadFile("/proc/swaps")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false // a kernel without
	case err != nil:
		return true
	}
	return strings.Count(string(b), "\n") > 1 // the first line is a heading
}
