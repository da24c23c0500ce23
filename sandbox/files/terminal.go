package files

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/inroot"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// openPTS makes the container's devpts and opens its first terminal. The
// master comes from that very instance, so inside and outside agree on names.
func (f *Set) openPTS(want plan.File, size unix.Winsize) (int, error) {
	mnt, err := newMount("devpts", want.Options, want.Attr.Set)
	if err != nil {
		return -1, err
	}
	if err := f.openTerminal(mnt, "ptmx", size); err != nil {
		unix.Close(mnt)
		return -1, fmt.Errorf("sandbox: console: %w", err)
	}
	return mnt, nil
}

func (f *Set) openTerminal(dir int, name string, size unix.Winsize) error {
	master, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("opening ptmx: %w", err)
	}
	// Non-blocking, so that the runtime's poller serves it and reads can be
	// interrupted by Close.
	f.master = os.NewFile(uintptr(master), "console")
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlocking: %w", err)
	}
	slave, err := ioctlArg(master, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("opening the other side: %w", err)
	}
	f.Terminal = os.NewFile(uintptr(slave), "tty")
	if size != (unix.Winsize{}) {
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &size); err != nil {
			return fmt.Errorf("setting its size: %w", err)
		}
	}
	return nil
}

// ioctlArg is an ioctl that takes and returns a number.
func ioctlArg(fd int, request, arg uint) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// joinTerminal opens a terminal in the devpts of a running container. What is
// at its /dev/pts/ptmx may be anything, so it is looked at before it is opened.
func (f *Set) joinTerminal(src Source) error {
	if src.TargetPid == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "sandbox: a terminal needs a devpts mount at /dev/pts")
	}
	if err := f.openJoined(src); err != nil {
		return errdefs.Errorf(host.ErrKind(err), "sandbox: a terminal in the container: %w", err)
	}
	return nil
}

// openTargetRoot opens the root directory of the process that is joined.
func openTargetRoot(src Source) (int, error) {
	root, err := openAt("/proc/"+strconv.Itoa(src.TargetPid)+"/root", unix.O_PATH|unix.O_DIRECTORY, "root")
	if err != nil {
		return -1, err
	}
	// Still alive, so the root is its own and not a later process's.
	if err := unix.PidfdSendSignal(src.Target, 0, nil, 0); err != nil {
		unix.Close(root)
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: joining process %d: %w", src.TargetPid, err)
	}
	return root, nil
}

func (f *Set) openJoined(src Source) error {
	root, err := openTargetRoot(src)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	ptmx, err := inroot.Open(root, "dev/pts/ptmx", unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return err
	}
	defer unix.Close(ptmx)
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := unix.Fstatfs(ptmx, &fs); err != nil {
		return err
	}
	if err := unix.Fstat(ptmx, &st); err != nil {
		return err
	}
	if fs.Type != unix.DEVPTS_SUPER_MAGIC || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) {
		return errdefs.Errorf(errdefs.ErrInvalid, "its /dev/pts/ptmx is not one")
	}
	return f.openTerminal(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(ptmx), src.Size)
}
