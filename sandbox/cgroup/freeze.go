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
	if g.host.Delegated {
		return "", "", "", "", errdefs.Errorf(errdefs.ErrUnsupported,
			"cgroup: freezing needs a control group, and none is delegated to this user (systemd's Delegate=)")
	}
	return "", "", "", "", errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: this host has no freezer")
}

// patience is how long processes may take to freeze or to die. One that waits for
// a device or a network filesystem may do neither.
const patience = 10 * time.Second

// Freeze stops all processes of the group and returns when they have stopped;
// ErrUnavailable if they do not, and then they go on.
func (g *Group) Freeze(ctx context.Context) error {
	dir, file, frozen, _, err := g.freezer()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		// Writing again makes v1 look again at processes that were missed.
		if err := writeFile(dir, file, frozen); err != nil {
			return err
		}
		if done, err := g.Frozen(); done || err != nil {
			return err
		}
		err := sleep(ctx, time.Millisecond)
		if err == nil && time.Now().After(deadline) {
			err = errdefs.Errorf(errdefs.ErrUnavailable, "cgroup: %s: not frozen after %s", g.path, patience)
		}
		if err != nil {
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

// refuseFrozen is an error if the group, or one that it is in, is frozen.
func (g *Group) refuseFrozen() error {
	dir, file, _, thawed, err := g.freezer()
	if err != nil {
		return nil //nolint:nilerr // without a freezer nothing is frozen
	}
	own := file // where a group says whether it was frozen itself
	if g.host.Mode != host.CgroupV2 {
		if state, err := readLine(dir, file); err != nil || state == thawed {
			return err // v1 says it of those above, too
		}
		own = "freezer.self_freezing"
	}
	for at := g; at.path != "/"; at = at.Parent() {
		dir, file, _, _, _ := at.freezer()
		if state, err := readLine(dir, own); err != nil || state == "1" {
			return errdefs.Errorf(errdefs.ErrConflict,
				"cgroup: container's cgroup unexpectedly frozen: %s is frozen: thaw it by writing to %s/%s, "+
					"or choose another group", at.path, dir, file)
		}
	}
	return nil
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

// Kill sends SIGKILL to every process of the group until none is left;
// ErrUnavailable if some do not end.
func (g *Group) Kill(ctx context.Context) error {
	if g.host.Mode == host.CgroupV2 {
		// Atomic, since Linux 5.14; older kernels have no such file.
		dir := g.dir(&g.host.Hierarchies[0])
		if err := writeFile(dir, "cgroup.kill", "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	deadline := time.Now().Add(patience)
	for delay := time.Millisecond; ; delay = min(2*delay, 50*time.Millisecond) {
		pids, err := g.Procs()
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return errdefs.Errorf(errdefs.ErrUnavailable,
				"cgroup: %s: processes %v do not end, %s after SIGKILL", g.path, pids, patience)
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
