package overlay

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// OfProcess calls fn with the root directory of a process, without what is mounted in it. It
// is the process's own mount: a second overlay over the directories of one that is written to
// would show what the kernel calls undefined.
func OfProcess(pid int, fn func(root int) error) error {
	root, err := cloneRoot(pid)
	if err != nil {
		return fmt.Errorf("opening the root of process %d: %w", pid, err)
	}
	defer unix.Close(root)
	return fn(root)
}

func cloneRoot(pid int) (root int, err error) {
	ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ns)
	mount.OnOwnThread(func() {
		// A thread that shares its root with others cannot change its namespace.
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Setns(ns, unix.CLONE_NEWNS); err == nil {
			root, err = unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		}
	})
	return root, err
}
