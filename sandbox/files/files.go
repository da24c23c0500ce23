// Package files opens what a plan lists under [plan.Plan.Files]: the root and the
// sources of binds as detached mounts, terminals, namespaces, control groups, what
// hooks read and where they print. It is the parent's part of a plan, for which it
// has the whole of Go and the host's files; the program inherits the descriptors.
package files

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/inroot"
	"cove/layers/mount"
	"cove/layers/tree"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// Source is where the files of a plan come from.
type Source struct {
	Root mount.Mount
	// Stacks are what binds show whose sources are these, which are no paths.
	Stacks map[string]Stack
	Cgroup *cgroup.Group
	// Size is the terminal's at the beginning; zero leaves the kernel's.
	Size unix.Winsize
	// Control is the directory of the named pipes, if they have names.
	Control string
	// Target is the pidfd of the process to join, TargetPid its number.
	Target, TargetPid int
}

// Set are the opened files of a plan. Whoever opened it closes it, when the program
// has inherited them.
type Set struct {
	// FDs are the files, in the plan's order.
	FDs []int
	// CgroupFD is the directory of the group in v2, -1 without.
	CgroupFD int
	// Terminal is the process's end of its terminal, nil without one.
	Terminal *os.File

	master *os.File
	// states are for hooks, by the status they tell; output is what hooks print.
	states map[specs.ContainerState]int
	output *os.File
}

// Open opens the files of a plan.
func Open(p *plan.Plan, src Source) (*Set, error) {
	f := &Set{CgroupFD: -1}
	for _, want := range p.Files {
		fd, err := f.open(want, src)
		if err != nil {
			f.Close()
			return nil, err
		}
		f.FDs = append(f.FDs, fd)
	}
	if p.Terminal && f.master == nil {
		if err := f.joinTerminal(src); err != nil {
			f.Close()
			return nil, err
		}
	}
	if src.Cgroup != nil {
		fd, err := src.Cgroup.CloneFD()
		if err != nil {
			f.Close()
			return nil, err
		}
		f.CgroupFD = fd
	}
	return f, nil
}

func (f *Set) open(want plan.File, src Source) (int, error) {
	switch want.Kind {
	case plan.Root:
		return openRoot(src.Root, want.Attr.Propagation)
	case plan.Bind:
		if s, ok := src.Stacks[want.Name]; ok {
			return openStack(s, want)
		}
		return openBind(want)
	case plan.Owners:
		return openOwners(want)
	case plan.Namespace:
		return openAt(want.Name, unix.O_RDONLY|unix.O_NONBLOCK, "namespace") // or it waits, if it is a pipe
	case plan.CgroupTasks:
		if src.Cgroup == nil {
			// The caller's own group stays: what is written has no effect.
			return openAt(os.DevNull, unix.O_WRONLY, "control group")
		}
		return src.Cgroup.OpenTasks(want.Name)
	case plan.CgroupDir:
		dir, err := cgroupDir(src.Cgroup, want.Name)
		if err != nil {
			return -1, err
		}
		return openTree(dir, want, "control group")
	case plan.DevPTS:
		return f.openPTS(want, src.Size)
	case plan.CopyUp:
		return copyUp(f.FDs[0], want) // the first file is the root
	case plan.TargetRoot:
		return openTargetRoot(src)
	case plan.HookState:
		return f.openState(specs.ContainerState(want.Name))
	case plan.HookOutput:
		return f.openOutput(src.Control)
	case plan.Target:
		return unix.FcntlInt(uintptr(src.Target), unix.F_DUPFD_CLOEXEC, 0)
	}
	return -1, errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: the plan wants an unknown file: %s", want)
}

func cgroupDir(g *cgroup.Group, hierarchy string) (string, error) {
	if g == nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid,
			"sandbox: a mount of type cgroup needs a control group of the container's own")
	}
	return g.Dir(hierarchy)
}

func openAt(name string, flags int, what string) (int, error) {
	fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: opening %s %s: %w", what, name, err)
	}
	return fd, nil
}

// copyUp returns a tmpfs that is filled with what a directory of the root holds;
// one that is not there leaves it empty.
func copyUp(root int, want plan.File) (int, error) {
	mnt, err := newMount("tmpfs", want.Options, 0)
	if err != nil {
		return -1, err
	}
	err = fill(mnt, root, want.Name)
	if err == nil {
		err = setAttr(mnt, want.Attr)
	}
	if err != nil {
		unix.Close(mnt)
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: copying %s of the root to a tmpfs: %w", want.Name, err)
	}
	return mnt, nil
}

func fill(mnt, root int, name string) error {
	const dirOnly = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	src, err := inroot.Open(root, name, unix.OpenHow{
		Flags: dirOnly, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(src)
	dst, err := unix.Openat(mnt, ".", dirOnly, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	return tree.Copy(src, dst)
}

// openTree returns a detached copy of the mount at name, with its attributes.
func openTree(name string, want plan.File, what string) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if want.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	if want.NoFollow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	fd, err := cloneTree(name, flags, want.Apart)
	if errors.Is(err, unix.EINVAL) {
		fd, err = openForeign(name, flags, want.Apart)
	}
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: %s %s: %w", what, name, err)
	}
	if err := setAttr(fd, want.Attr); err != nil {
		unix.Close(fd)
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: %s %s: mount_setattr: %w", what, name, err)
	}
	return fd, nil
}

func cloneTree(name string, flags uint, apart bool) (fd int, err error) {
	if apart {
		var st unix.Stat_t
		err = unix.Stat(name, &st)
		apart = err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR // nothing is below a file
	}
	if !apart {
		return unix.OpenTree(unix.AT_FDCWD, name, flags)
	}
	mount.OnOwnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNS); err == nil {
			fd, err = unix.OpenTree(unix.AT_FDCWD, name, flags)
		}
	})
	if errors.Is(err, unix.EINVAL) {
		// Of a descriptor: its mount is of no namespace, as what a build shows a command, or
		// of the one that this process is in.
		return unix.OpenTree(unix.AT_FDCWD, name, flags)
	}
	return fd, err
}

// setAttr sets attributes of a detached mount: the recursive ones first, so
// that those of the top win.
func setAttr(fd int, a plan.MountAttr) error {
	deep := unix.MountAttr{Attr_set: a.SetAll, Attr_clr: a.ClearAll}
	flat := unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear}
	if a.PropagateAll {
		deep.Propagation = a.Propagation
	} else {
		flat.Propagation = a.Propagation
	}
	if deep != (unix.MountAttr{}) {
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &deep); err != nil {
			return err
		}
	}
	if flat != (unix.MountAttr{}) {
		return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &flat)
	}
	return nil
}

// TakeConsole gives the master away; it is not closed with the rest.
func (f *Set) TakeConsole() *os.File {
	m := f.master
	f.master = nil
	return m
}

// Close closes what was not taken.
func (f *Set) Close() {
	for _, fd := range f.FDs {
		unix.Close(fd)
	}
	if f.CgroupFD >= 0 {
		unix.Close(f.CgroupFD)
	}
	for _, file := range []*os.File{f.master, f.Terminal, f.output} {
		if file != nil {
			file.Close()
		}
	}
}
