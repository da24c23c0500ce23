package plan

import (
	"encoding/binary"
	"path"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/check"
)

// detach leaves what is the caller's behind: its umask, so that the modes of
// what is created here mean what they say, its keys, and which signals it
// ignores or blocks, as whoever runs under nohup does.
//
// The first process of a pid namespace is told only of signals that it has a handler for.
// A container that waits for its start would be deaf to those that people end one with, so
// that for them it has one until execve.
func (b *builder) detach(first bool) {
	b.why = "umask"
	b.call("umask", num(0))
	b.why = "signals"
	ends := []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}
	for _, sig := range []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGTERM, unix.SIGCHLD,
		unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
		32, 33, // the C library's own: a caller linked to it may leave them ignored
	} {
		action := raw(make([]byte, 32), "{sa_handler=SIG_DFL}")
		if first && slices.Contains(ends, sig) {
			action = Arg{Kind: Ending}
		}
		b.call("rt_sigaction", num(int(sig)), action, null(), num(8))
	}
	b.call("rt_sigprocmask", num(2), raw(make([]byte, 8), "[]"), null(), num(8)) // SIG_SETMASK
	b.sessionKeyring()
}

// session makes the process leader of a session, with its terminal. A forked
// process does it itself: when the leader of a session ends, as the program
// that forks does, its terminal hangs up.
func (b *builder) session(proc *specs.Process) {
	b.why = "new session"
	b.call("setsid")
	if proc.Terminal {
		b.why = "controlling terminal"
		b.call("ioctl", fd(0), flags(uint64(unix.TIOCSCTTY), ioctls), num(0))
	}
}

// sessionKeyring leaves the caller's keys behind. A kernel without keys has none to leave,
// and where the filter of a container around this one forbids the call, as docker's does,
// nobody in here can ask for keys either: a filter is inherited.
func (b *builder) sessionKeyring() {
	if b.host.KeepKeyring {
		return
	}
	b.why = "session keyring"
	s := b.call("keyctl", flags(uint64(unix.KEYCTL_JOIN_SESSION_KEYRING), keyctlOps), null())
	s.Accept = []unix.Errno{unix.ENOSYS}
	if b.host.UserNS {
		s.Accept = append(s.Accept, unix.EPERM)
	}
}

func (b *builder) oomScore(adj int) {
	b.why = "oom_score_adj"
	b.writeHost("/proc/self/oom_score_adj", strconv.Itoa(adj))
}

// loopback brings lo up in a new network namespace.
func (b *builder) loopback() {
	b.why = "loopback up"
	sock, _ := b.get("socket", num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0))
	ifreq := make([]byte, 40) // struct ifreq: name[16], then the flags
	copy(ifreq, "lo")
	binary.NativeEndian.PutUint16(ifreq[16:], unix.IFF_UP|unix.IFF_RUNNING)
	b.call("ioctl", sock.arg(), flags(uint64(unix.SIOCSIFFLAGS), ioctls), raw(ifreq, `{"lo", IFF_UP|IFF_RUNNING}`))
	b.close(sock)
}

// rootMount puts the root filesystem over the host's root, in the program's own mount
// namespace, where nothing propagates back from. Hooks that are to find it have
// it at its path instead.
func (b *builder) rootMount(spec *specs.Spec) error {
	if !check.Makes(spec, specs.MountNamespace) {
		b.sharedRoot(spec.Root.Path)
		return nil
	}
	b.why = "keep mounts from propagating to the host"
	b.call("mount", null(), str("/"), null(), flags(uint64(unix.MS_REC|unix.MS_SLAVE), mountFlags), null())
	b.why = "mount root filesystem"
	at, how := rootAt(spec)
	b.call("move_mount", b.root.arg(), str(""), cwdFD(), str(at), flags(how, moveFlags))
	return nil
}

// rootAt is where the root filesystem is mounted, and the flags of that.
func rootAt(spec *specs.Spec) (at string, how uint64) {
	if seesRoot(spec.Hooks) && path.IsAbs(spec.Root.Path) {
		return spec.Root.Path, unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_SYMLINKS
	}
	return "/", unix.MOVE_MOUNT_F_EMPTY_PATH
}

// sharedRoot puts the root filesystem over itself in a mount namespace that is
// not the container's own, the host's or one that it joined. All that the
// container mounts is below it, and goes with it: see sandbox.SharedRoot.
func (b *builder) sharedRoot(name string) {
	b.why = "mount root filesystem over itself"
	tree, _ := b.get("open_tree", cwdFD(), str(name),
		flags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE, treeFlags))
	b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), treeFlags),
		mountAttr(0, 0, unix.MS_PRIVATE), num(mountAttrSize))
	b.call("move_mount", tree.arg(), str(""), cwdFD(), str(name),
		flags(uint64(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS), moveFlags))
	b.root = tree
}

// afterMounts lets the parent wire the network, which sysctls may refer to, and
// run hooks; then come the container's own hooks and the sysctls.
func (b *builder) afterMounts(spec *specs.Spec) error {
	b.barrier(Mounted)
	b.createHooks(spec)
	b.joinPID()
	b.openLabel(spec.Process)
	return b.sysctls(spec)
}

// pivot makes the root filesystem the root, and lets go of the host's where it can.
func (b *builder) pivot(spec *specs.Spec) error {
	switch {
	case !check.Makes(spec, specs.MountNamespace):
		// The root of everyone in the namespace is not the container's to change.
		b.chroot(b.root)
	case b.host.NoPivot:
		b.coverRoot(spec)
	default:
		b.why = "pivot_root"
		b.call("fchdir", b.root.arg())
		// With "." for both, the old root lands on top of the new one and no
		// directory is needed to hold it until it is unmounted (pivot_root(2)).
		b.call("pivot_root", str("."), str("."))
		b.call("umount2", str("."), flags(uint64(unix.MNT_DETACH), umountFlags))
		if b.host.UserNS {
			b.overRoot(b.here() - 2)
		}
	}
	b.call("chdir", str("/"))
	propagation, err := rootPropagation(spec.Linux.RootfsPropagation)
	if err != nil {
		return err
	}
	if propagation != 0 {
		b.call("mount", null(), str("/"), null(), flags(propagation, mountFlags), null())
	}
	if spec.Root.Readonly {
		b.why = "read-only root"
		b.call("mount_setattr", b.root.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
			mountAttr(unix.MOUNT_ATTR_RDONLY, 0, 0), num(mountAttrSize))
	}
	return nil
}

// overRoot is for where the filter of a container around this one forbids pivot_root, as
// docker's does to whoever has CAP_SYS_ADMIN, too: the root filesystem lies over the old
// root already. A path that goes up ends at what lies uppermost there, so that only who may
// unmount comes below.
func (b *builder) overRoot(pivoted int) {
	b.Steps[pivoted].Accept, b.Steps[pivoted].OnError = []unix.Errno{unix.EPERM}, 1
	unmounted := b.here() - 1
	b.call("chroot", str("."))
	b.okSkipsToHere(unmounted)
}

// coverRoot takes the root filesystem for the root where nobody can leave the old one: it
// lies over that. What cannot be unmounted there, in a user namespace, is covered itself.
func (b *builder) coverRoot(spec *specs.Spec) {
	for _, name := range b.host.Bare {
		b.why = "unmount the host's " + name
		b.call("umount2", str(name), flags(unix.MNT_DETACH, umountFlags)).Accept = []unix.Errno{unix.EINVAL}
		unmounted := b.here() - 1
		b.call("mount", str("tmpfs"), str(name), str("tmpfs"), flags(unix.MS_RDONLY, mountFlags), null())
		b.okSkipsToHere(unmounted)
	}
	if at, how := rootAt(spec); at != "/" {
		b.why = "mount root filesystem over the host's"
		b.call("move_mount", b.root.arg(), str(""), cwdFD(), str("/"),
			flags(how&^unix.MOVE_MOUNT_T_SYMLINKS, moveFlags))
	}
	b.chroot(b.root)
}

func (b *builder) chroot(root descriptor) {
	b.why = "chroot"
	b.call("fchdir", root.arg())
	b.call("chroot", str("."))
}

// rootFollows is the propagation of the root until it is the only one: a slave of the
// host's, where it is to see what is mounted there later. Else it is private.
func rootFollows(name string) uint64 {
	switch propagations[name] &^ unix.MS_REC {
	case unix.MS_SLAVE, unix.MS_SHARED:
		return unix.MS_SLAVE
	}
	return 0
}

// rootPropagation is what the root gets once it is the only one: private
// without a wish, as the detached mount already is.
func rootPropagation(name string) (uint64, error) {
	if name == "" {
		return 0, nil
	}
	p, ok := propagations[name]
	if !ok {
		return 0, errdefs.Errorf(errdefs.ErrInvalid,
			"plan: config.json: rootfsPropagation %q: want (r)private, (r)slave, (r)shared or (r)unbindable", name)
	}
	return p, nil
}
