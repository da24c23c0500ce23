package files

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/program"
)

// openBind returns a detached copy of what is bound, with its owners mapped.
func openBind(want plan.File) (int, error) {
	fd, err := openTree(want.Name, want, "bind source")
	if err != nil || len(want.UIDs) == 0 && want.OwnersOf == "" {
		return fd, err
	}
	if err := mapOwners(fd, want); err != nil {
		unix.Close(fd)
		return -1, errdefs.Errorf(host.ErrKind(err),
			"sandbox: bind source %s: mapping its owners: %w; its filesystem may not be able to", want.Name, err)
	}
	return fd, nil
}

func openOwners(want plan.File) (int, error) {
	ns, err := namespaceOf(want)
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: a user namespace to map owners by: %w", err)
	}
	return ns, nil
}

// namespaceOf is the user namespace that a file wants its owners mapped by.
func namespaceOf(want plan.File) (int, error) {
	if want.OwnersOf != "" {
		return openAt(want.OwnersOf, unix.O_RDONLY|unix.O_NONBLOCK, "user namespace")
	}
	return userNamespace(want.UIDs, want.GIDs)
}

func mapOwners(fd int, want plan.File) error {
	ns, err := namespaceOf(want)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	flags := uint(unix.AT_EMPTY_PATH)
	if want.IDMapAll {
		flags |= unix.AT_RECURSIVE
	}
	return unix.MountSetattr(fd, "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)})
}

// userNamespace returns a user namespace with maps, which nobody is in: the
// kernel makes one only with a process, here one that waits to be killed.
func userNamespace(uids, gids []mount.IDRange) (ns int, err error) {
	if len(uids) == 0 || len(gids) == 0 {
		// Newer kernels say so, older ones show all files as of nobody's group.
		return -1, errdefs.Errorf(errdefs.ErrInvalid, "want ranges of users and of groups")
	}
	waiting := &plan.Plan{Steps: []plan.Step{{Op: plan.Barrier, Why: plan.Mounted, Result: 1}}}
	image, err := program.Build(waiting, program.Input{})
	if err != nil {
		return -1, err
	}
	file, err := program.Seal(image)
	if err != nil {
		return -1, err
	}
	defer file.Close()
	// It waits for a byte that never comes, so the pipe's other end stays open.
	gate, never, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer gate.Close()
	defer never.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return -1, err
	}
	defer null.Close()
	pid, _, err := syscall.StartProcess("/proc/self/fd/0", []string{"cove-init"}, &syscall.ProcAttr{
		Files: []uintptr{file.Fd(), gate.Fd(), null.Fd()},
		Env:   []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: mount.SysProcIDMap(uids), GidMappings: mount.SysProcIDMap(gids),
			GidMappingsEnableSetgroups: true,
		},
	})
	if err != nil {
		return -1, fmt.Errorf("a user namespace: %w", err)
	}
	defer func() {
		_ = unix.Kill(pid, unix.SIGKILL) // a child that nobody else reaps
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}()
	return unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// HostID is what an id in the user namespace is outside of it.
func HostID(maps []specs.LinuxIDMapping, id uint32) uint32 {
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID)
		}
	}
	return id
}
