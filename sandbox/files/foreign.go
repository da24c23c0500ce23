package files

import (
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// openForeign copies a mount that is in the mount namespace of another process,
// named /proc/PID/root/PATH: only from inside may one be copied (EINVAL). Links
// in the path are that process's own, and are followed in its root.
func openForeign(name string, flags uint, apart bool) (fd int, err error) {
	pid, below, ok := strings.Cut(strings.TrimPrefix(name, "/proc/"), "/root/")
	if !ok || strings.Contains(pid, "/") || !strings.HasPrefix(name, "/proc/") {
		return -1, unix.EINVAL
	}
	mount.OnOwnThread(func() {
		if err = enterMounts(pid); err == nil && apart {
			err = unix.Unshare(unix.CLONE_NEWNS)
		}
		if err == nil {
			fd, err = unix.OpenTree(unix.AT_FDCWD, "/"+below, flags)
		}
	})
	return fd, err
}

// enterMounts has the calling thread join the mount namespace of a process.
func enterMounts(pid string) error {
	ns, err := unix.Open("/proc/"+pid+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	return unix.Setns(ns, unix.CLONE_NEWNS)
}
