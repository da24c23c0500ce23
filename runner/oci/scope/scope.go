// Package scope has systemd make the control group of a container: a transient scope, below which the
// runtime makes the container's own group. What is below a scope that is delegated systemd leaves alone,
// so that no daemon-reload takes limits back.
package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/program"
)

// Unit is where systemd is to put a container.
type Unit struct{ Slice, Name string }

// Parse reads a cgroupsPath in systemd's form, SLICE:PREFIX:NAME; "" is a scope of the container id
// in system.slice.
func Parse(cgroupsPath, id string) (Unit, error) {
	if cgroupsPath == "" {
		return Unit{"system.slice", "cove-" + id + ".scope"}, nil
	}
	parts := strings.Split(cgroupsPath, ":")
	if len(parts) != 3 {
		return Unit{}, errdefs.Errorf(errdefs.ErrInvalid, "expected cgroupsPath to be of format "+
			"\"slice:prefix:name\" for systemd cgroups, got %q instead", cgroupsPath)
	}
	u := Unit{Slice: parts[0], Name: parts[2] + ".scope"}
	if parts[1] != "" {
		u.Name = parts[1] + "-" + u.Name
	}
	if u.Slice == "" {
		u.Slice = "system.slice"
	}
	if !strings.HasSuffix(u.Slice, ".slice") || parts[2] == "" || strings.HasSuffix(parts[2], ".slice") ||
		strings.ContainsAny(u.Slice+u.Name, "/\x00\n") {
		return Unit{}, errdefs.Errorf(errdefs.ErrInvalid, "cgroupsPath %q: want SLICE.slice:PREFIX:NAME", cgroupsPath)
	}
	return u, nil
}

// IsForm reports whether a cgroupsPath is in systemd's form.
func IsForm(cgroupsPath string) bool {
	return strings.Count(cgroupsPath, ":") == 2 && !strings.Contains(cgroupsPath, "/")
}

// Place is the control group of a container, by its cgroupsPath: with systemd below a scope that is made
// for it, which is held until Close, else what the path says.
func Place(ctx context.Context, cgroupsPath, id string, systemd bool) (group string, h *Held, err error) {
	switch {
	case !systemd && IsForm(cgroupsPath):
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid,
			"cgroupsPath %q is systemd's form; it goes with --systemd-cgroup", cgroupsPath)
	case !systemd && cgroupsPath == "":
		return "/" + id, nil, nil // as runc and crun do; one that has processes is refused
	case !systemd:
		return cgroupsPath, nil, nil
	}
	u, err := Parse(cgroupsPath, id)
	if err != nil {
		return "", nil, err
	}
	features, err := host.Detect()
	if err != nil {
		return "", nil, err
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return "", nil, errdefs.Errorf(errdefs.ErrUnsupported, "--systemd-cgroup: systemd does not run here; "+
			"configure the engine for cgroupfs (podman: --cgroup-manager=cgroupfs)")
	}
	if features.Cgroup.Mode != host.CgroupV2 || features.UserNS {
		return "", nil, errdefs.Errorf(errdefs.ErrUnsupported, "--systemd-cgroup: only root's, and with control "+
			"groups of version 2 alone; configure the engine for cgroupfs (podman: --cgroup-manager=cgroupfs)")
	}
	h, err = start(ctx, u, features.Cgroup.Hierarchies[0].Mount)
	if err != nil {
		return "", nil, fmt.Errorf("--systemd-cgroup: %s: %w", u.Name, err)
	}
	return path.Join(h.scope, "container"), h, nil
}

// Held is a scope that a process of a few pages keeps while the container has none in it: systemd removes
// a scope without processes.
type Held struct {
	pid   int
	scope string // below the top of the hierarchy
	dir   string // the holder's own group
	never *os.File
}

// Close lets go of the scope, which is there as long as the container's processes are.
func (h *Held) Close() {
	if h == nil {
		return
	}
	_ = unix.Kill(h.pid, unix.SIGKILL) // a child that nobody else reaps
	_, _ = unix.Wait4(h.pid, nil, 0, nil)
	h.never.Close()
	// Its group is empty at once, or nearly.
	for range 100 {
		if err := unix.Rmdir(h.dir); err == nil || !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func start(ctx context.Context, u Unit, mount string) (h *Held, err error) {
	h = &Held{}
	if h.pid, h.never, err = hold(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	bus, err := dial(ctx, systemBus)
	if err != nil {
		return nil, err
	}
	defer bus.Close()
	if err = makeScope(ctx, bus, u, h.pid); err != nil {
		return nil, err
	}
	if h.scope, err = entered(ctx, h.pid, u.Name); err != nil {
		return nil, err
	}
	// No group has both processes and controllers for those below it.
	h.dir = filepath.Join(mount, h.scope, "holder")
	if err = unix.Mkdir(h.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", h.dir, err)
	}
	return h, os.WriteFile(filepath.Join(h.dir, "cgroup.procs"), []byte(strconv.Itoa(h.pid)), 0o600)
}

// entered waits until systemd has put the process into the scope, and returns the scope's group.
func entered(ctx context.Context, pid int, unit string) (string, error) {
	for {
		b, err := host.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
		if err != nil {
			return "", err
		}
		group := strings.TrimPrefix(strings.TrimSpace(string(b)), "0::")
		if path.Base(group) == unit {
			return group, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("systemd has not started it: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// hold starts a process that waits for a byte that never comes, from the file.
func hold() (pid int, never *os.File, err error) {
	waiting := &plan.Plan{Steps: []plan.Step{{Op: plan.Barrier, Why: plan.Mounted, Result: 1}}}
	image, err := program.Build(waiting, program.Input{})
	if err != nil {
		return 0, nil, err
	}
	file, err := program.Seal(image)
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	gate, never, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer gate.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err == nil {
		defer null.Close()
		pid, _, err = syscall.StartProcess("/proc/self/fd/0", []string{"cove-scope"}, &syscall.ProcAttr{
			Files: []uintptr{file.Fd(), gate.Fd(), null.Fd()}, Env: []string{}, Sys: &syscall.SysProcAttr{},
		})
	}
	if err != nil {
		never.Close()
		return 0, nil, fmt.Errorf("a process to hold the scope: %w", err)
	}
	return pid, never, nil
}
