package cgroup

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
)

// freezer is where and how the group is frozen.
func (g *Group) freezer() (dir, file, frozen, thawed string, err error) {
	if g.host.Mode == host.CgroupV2 {
		return g.dir(&g.host.Hierarchies[0]), "cgroup.freeze", "1", "0", nil
	}
	if dir = g.find("freezer"); dir != "" {
		return dir, "freezer.state", "FROZEN", "THAWED", nil
	}
	return "", "", "", "", errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: this host has no freezer")
}

// Freeze stops all processes of the group and returns when they have stopped.
func (g *Group) Freeze(ctx context.Context) error {
	dir, file, frozen, _, err := g.freezer()
	if err != nil {
		return err
	}
	for {
		// Writing again makes v1 look again at processes that were missed.
		if err := writeFile(dir, file, frozen); err != nil {
			return err
		}
		if done, err := g.Frozen(); done || err != nil {
			return err
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return errors.Join(err, g.Thaw(ctx))
		}
	}
}

// Thaw undoes Freeze.
func (g *Group) Thaw(ctx context.Context) error {
	dir, file, _, thawed, err := g.freezer()
	if err != nil {
		return err
	}
	return writeFile(dir, file, thawed)
}

// Frozen reports whether the group is frozen.
func (g *Group) Frozen() (bool, error) {
	dir, file, frozen, _, err := g.freezer()
	if err != nil {
		return false, err
	}
	if file == "cgroup.freeze" {
		events, err := readLine(dir, "cgroup.events")
		return strings.Contains(events, "frozen 1"), err
	}
	state, err := readLine(dir, file)
	return state == frozen, err
}

// Kill sends SIGKILL to every process of the group until none is left.
func (g *Group) Kill(ctx context.Context) error {
	if g.host.Mode == host.CgroupV2 {
		// Atomic, since Linux 5.14; older kernels have no such file.
		dir := g.dir(&g.host.Hierarchies[0])
		if err := writeFile(dir, "cgroup.kill", "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for delay := time.Millisecond; ; delay = min(2*delay, 50*time.Millisecond) {
		pids, err := g.Procs()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := kill(pid); err != nil {
				return err
			}
		}
		// Frozen processes die only when thawed.
		if frozen, err := g.Frozen(); err == nil && frozen {
			if err := g.Thaw(ctx); err != nil {
				return err
			}
		}
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// kill ends a process. Its pid may be another's by now only if it was reaped
// since Procs, so processes are killed again until the group is empty rather
// than trusted to be gone.
func kill(pid int) error {
	err := unix.Kill(pid, unix.SIGKILL)
	if err != nil && err != unix.ESRCH {
		return errdefs.Errorf(errdefs.ErrDenied, "cgroup: killing process %d: %w", pid, err)
	}
	return nil
}
