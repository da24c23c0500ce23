// Package hooks runs the hooks of a runtime spec, on the host or in a
// container's namespaces.
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
)

// Run runs hooks in order, with the state on stdin. inside is a process
// whose namespaces they run in, 0 for the host's.
func Run(ctx context.Context, hooks []specs.Hook, st specs.State, inside int) error {
	if len(hooks) == 0 {
		return nil
	}
	state, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("hooks: encoding the state: %w", err)
	}
	for _, h := range hooks {
		run := func() error { return runHook(ctx, h, state) }
		if inside == 0 {
			err = run()
		} else {
			err = within(inside, run)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func runHook(ctx context.Context, h specs.Hook, state []byte) error {
	if h.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, h.Path)
	if cmd.Env = h.Env; cmd.Env == nil {
		cmd.Env = []string{} // nil would be this process's own
	}
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(state), &out, &out
	// Dies with the thread that started it, which waits here.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return errdefs.Errorf(errdefs.ErrUnavailable, "hook %s: %w: %s", h.Path, err, strings.TrimSpace(out.String()))
	}
	return nil
}

// within runs fn on a thread that has joined the namespaces of a process (not
// its pid namespace: what is in there could trace it) and is used for nothing
// else after that.
func within(pid int, fn func() error) error {
	done := make(chan error, 1)
	go mount.OnOwnThread(func() {
		done <- func() error {
			// A thread that shares its root with others cannot change it.
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("hooks: leaving the shared root: %w", err)
			}
			// Joining a mount namespace leads to the top of what is mounted on its
			// root; the process may be below that, before pivot_root.
			root, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("hooks: opening the container's root: %w", err)
			}
			defer unix.Close(root)
			var fds []int
			defer func() {
				for _, fd := range fds {
					unix.Close(fd)
				}
			}()
			for _, typ := range []specs.LinuxNamespaceType{specs.IPCNamespace, specs.UTSNamespace, specs.NetworkNamespace, specs.CgroupNamespace, specs.MountNamespace} {
				fd, err := unix.Open(namespacePath(pid, typ), unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return fmt.Errorf("hooks: opening the %s namespace: %w", typ, err)
				}
				fds = append(fds, fd)
			}
			for _, fd := range fds {
				if err := unix.Setns(fd, 0); err != nil {
					return fmt.Errorf("hooks: joining a namespace: %w", err)
				}
			}
			if err := errors.Join(unix.Fchdir(root), unix.Chroot(".")); err != nil {
				return fmt.Errorf("hooks: entering the container's root: %w", err)
			}
			return fn()
		}()
	})
	return <-done
}

// namespacePath is where the container's namespace of a type is found.
func namespacePath(pid int, typ specs.LinuxNamespaceType) string {
	name := map[specs.LinuxNamespaceType]string{
		specs.MountNamespace: "mnt", specs.NetworkNamespace: "net", specs.UTSNamespace: "uts",
		specs.IPCNamespace: "ipc", specs.CgroupNamespace: "cgroup",
	}[typ]
	return "/proc/" + strconv.Itoa(pid) + "/ns/" + name
}
