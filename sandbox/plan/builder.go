package plan

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cove/sandbox/host"
)

// builder writes steps down. Its methods only append.
type builder struct {
	Plan
	host host.Features
	why  string
	args []Arg
	last Value // the number of the newest value
	// root is where destinations are resolved: the container's root.
	root descriptor
	// destLink mounts over a link at the destination, not where it leads.
	destLink bool
	// notProc refuses a destination that is in a proc.
	notProc bool
	// userns says that the program is in a user namespace of its own.
	userns bool
	// newNet says that the network namespace is new, though not made at clone.
	newNet bool
	// pidNS is the pid namespace that is joined, -1 for none.
	pidNS inherited
	// filled are mounts that become read-only when all is in them.
	filled []Value
	// hookOutput is the pipe for what hooks print, -1 before there is one.
	hookOutput inherited
	// label is the open file that takes the AppArmor profile.
	label Value
}

func (b *builder) value() Value {
	b.last++
	return b.last
}

func (b *builder) file(f File) inherited {
	b.Files = append(b.Files, f)
	return inherited(len(b.Files) - 1)
}

// call appends a system call whose result nobody needs. The step returned may
// be changed until the next one is appended.
func (b *builder) call(name string, args ...Arg) *Step {
	// One array for the arguments of many steps: a plan has about a thousand.
	if cap(b.args)-len(b.args) < len(args) {
		b.args = make([]Arg, 0, 512)
	}
	first := len(b.args)
	b.args = append(b.args, args...)
	b.Steps = append(b.Steps, Step{Call: name, Args: b.args[first:len(b.args):len(b.args)], Why: b.why})
	return &b.Steps[len(b.Steps)-1]
}

// get appends a system call and names its result.
func (b *builder) get(name string, args ...Arg) (Value, *Step) {
	s := b.call(name, args...)
	s.Result = b.value()
	return s.Result, s
}

// expect appends a check that v has the bits want under mask.
func (b *builder) expect(v Value, mask, want uint64, otherwise unix.Errno) {
	b.Steps = append(b.Steps, Step{
		Op: Check, Why: b.why, Errno: otherwise,
		Args: []Arg{v.arg(), num(mask), num(want)},
	})
}

func (b *builder) barrier(name string) {
	b.Steps = append(b.Steps, Step{Op: Barrier, Why: name, Result: b.value()})
}

// here is the number of the next step; skipTo makes a jump to it from the
// outcome of step i.
func (b *builder) here() int { return len(b.Steps) }

func (b *builder) okSkipsToHere(step int)    { b.Steps[step].OnOK = b.here() - step - 1 }
func (b *builder) errorSkipsToHere(step int) { b.Steps[step].OnError = b.here() - step - 1 }

func (b *builder) close(v Value) { b.call("close", v.arg()) }

// inRoot are the rules for a path that a container may have prepared: it is
// resolved below the container's root as if by chroot, and never through the
// magic links of /proc (the class of CVE-2021-30465).
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// lookup opens an existing path in the container's root, without access to
// what it names.
func (b *builder) lookup(name string, oflags uint64) (Value, *Step) {
	return b.get("openat2", b.root.arg(), str(name), openHow(unix.O_PATH|unix.O_CLOEXEC|oflags, inRoot), num(24))
}

// lookupPlain is lookup where no symbolic link may be on the way.
func (b *builder) lookupPlain(name string) (Value, *Step) {
	return b.get("openat2", b.root.arg(), str(name),
		openHow(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, inRoot|unix.RESOLVE_NO_SYMLINKS), num(24))
}

// targetKind is what to create where a destination is missing.
type targetKind int

const (
	directory targetKind = iota
	// plainDirectory is one that no symbolic link leads to: an image that has
	// a link at /proc would have masks and read-only paths miss (CVE-2019-19921).
	plainDirectory
	regular
	// likeSource is what the bind's source is, which only the program can see.
	likeSource
)

// target opens the destination of a mount, creating what is missing of it:
// components one by one, each below the descriptor of the one before, so that
// nothing is ever created outside of the root.
func (b *builder) target(name string, kind targetKind, source descriptor) Value {
	name = clean(name)
	var oflags uint64
	if b.destLink {
		oflags = unix.O_NOFOLLOW
	}
	look := func() (Value, *Step) { return b.lookup(name, oflags) }
	if kind == plainDirectory {
		look = func() (Value, *Step) { return b.lookupPlain(name) }
	}
	fd, s := look()
	s.Accept = []unix.Errno{unix.ENOENT}
	found := b.here() - 1
	dir, base := b.mkdirs(path.Dir(name)), path.Base(name)
	switch kind {
	case directory, plainDirectory:
		b.mkdir(dir, base)
	case regular:
		b.create(dir, base)
	case likeSource:
		// A directory can be opened as one; of a file the kernel says ENOTDIR.
		self, s := b.get("openat", source.arg(), str("."), flags(unix.O_PATH|unix.O_CLOEXEC, openFlags))
		s.Accept = []unix.Errno{unix.ENOTDIR}
		probe := b.here() - 1
		b.close(self)
		b.mkdir(dir, base)
		// Over the two steps that create a file.
		isDir := b.here() - 1
		b.errorSkipsToHere(probe)
		b.create(dir, base)
		b.Steps[isDir].OnOK = b.here() - isDir - 1
		b.Steps[isDir].OnError = b.here() - isDir - 1
	}
	b.closeUnlessRoot(dir)
	_, s = look()
	s.Result = fd
	if kind == regular || kind == likeSource {
		// What is there may be a link to nothing, as /etc/resolv.conf is where
		// systemd-resolved was. The file is then mounted over the link itself.
		s.Accept, s.OnOK = []unix.Errno{unix.ENOENT}, 1
		_, s = b.lookup(name, unix.O_NOFOLLOW)
		s.Result = fd
	}
	b.okSkipsToHere(found)
	if b.notProc {
		b.outsideProc(fd)
	}
	return fd
}

func (b *builder) mkdir(dir descriptor, name string) {
	b.call("mkdirat", dir.arg(), str(name), octalArg(0o755)).Accept = []unix.Errno{unix.EEXIST}
}

func (b *builder) create(dir descriptor, name string) {
	v, s := b.get("openat", dir.arg(), str(name),
		flags(unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_WRONLY|unix.O_CLOEXEC, openFlags), octalArg(0o644))
	s.Accept, s.OnError = []unix.Errno{unix.EEXIST}, 1
	b.close(v)
}

// mkdirs creates the directories of name and returns the last one, opened.
func (b *builder) mkdirs(name string) descriptor {
	dir, made := b.root, ""
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		if part == "" || part == "." {
			break
		}
		b.mkdir(dir, part)
		b.closeUnlessRoot(dir)
		made = path.Join(made, part)
		next, _ := b.lookup(made, unix.O_DIRECTORY)
		dir = next
	}
	return dir
}

func (b *builder) closeUnlessRoot(dir descriptor) {
	if v, ok := dir.(Value); ok && dir != b.root {
		b.close(v)
	}
}

// attach puts the detached mount tree at the opened destination.
func (b *builder) attach(tree, target descriptor) {
	b.call("move_mount", tree.arg(), str(""), target.arg(), str(""),
		flags(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH, moveFlags))
}

// cloneTree makes a detached copy of the mount that fd is on, from fd down.
func (b *builder) cloneTree(fd descriptor, more uint64) Value {
	v, _ := b.get("open_tree", fd.arg(), str(""),
		flags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|more, treeFlags))
	return v
}

// writeHost writes to a file of the host's /proc, which nobody in a container
// can have replaced (the class of CVE-2019-16884 and CVE-2025-52881). It must
// come before pivot_root.
func (b *builder) writeHost(name, text string) {
	v, _ := b.get("openat", cwdFD(), str(name), flags(unix.O_WRONLY|unix.O_CLOEXEC, openFlags))
	b.call("write", v.arg(), str(text), num(len(text)))
	b.close(v)
}

// dieWithParent has the kernel kill the program when its parent ends.
func (b *builder) dieWithParent(signal Arg) {
	b.why = "die with the parent"
	b.call("prctl", flags(uint64(unix.PR_SET_PDEATHSIG), prctlOptions), signal, num(0), num(0), num(0))
}

// clean makes a destination relative to the root.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

func octalArg(mode uint64) Arg { return Arg{Num: mode, flags: octalFlags} }
