package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/check"
)

func (b *builder) mounts(spec *specs.Spec) error {
	for i, m := range spec.Mounts {
		opts := parseOptions(m)
		var err error
		b.why, b.destLink, b.notProc = "mount "+m.Destination, opts.destLink, notProc(m, opts)
		switch {
		case opts.remount:
			err = b.remount(m, opts)
		case opts.copyUp:
			err = b.copyUpMount(m, opts)
		case (opts.bind || m.Type == "bind") && mountedBefore(spec, i):
			b.bindOwn(spec, m, opts)
		case opts.bind || m.Type == "bind":
			err = b.bindMount(spec, m, opts)
		case m.Type == "cgroup" || m.Type == "cgroup2":
			err = b.cgroupMount(m, opts)
		case m.Type == "devpts" && spec.Process.Terminal && clean(m.Destination) == "dev/pts":
			b.consoleMount(m, opts)
		case m.Type == "proc" && b.pidNS >= 0 && !b.host.ProcPIDNS():
			err = b.procByChild(spec, m, opts)
		case b.showsHosts(spec, m):
			err = b.hostMount(spec, m)
		default:
			err = b.newMount(m, opts)
		}
		if err != nil {
			return err
		}
	}
	b.destLink, b.notProc = false, false
	return nil
}

// notProc reports whether a mount is one of somebody's own files, and so neither proc nor a
// file in it.
func notProc(m specs.Mount, opts options) bool {
	return (opts.bind || m.Type == "bind" || m.Type == "tmpfs") && !check.StandsForProc(m)
}

// outsideProc refuses a target that the root filesystem has a link to proc for: nothing is
// mounted over or inside that (CVE-2023-27561).
func (b *builder) outsideProc(target Value) {
	stat := b.value()
	b.call("fstatfs", target.arg(), Arg{Kind: Buffer, Num: uint64(stat)})
	b.Steps = append(b.Steps, Step{
		Op: Check, Why: b.why, Errno: unix.ENOENT, Accept: []unix.Errno{unix.ENOENT},
		Args: []Arg{{Kind: Result, Num: uint64(stat)}, num(0xffffffff), num(unix.PROC_SUPER_MAGIC)},
	})
	elsewhere := b.here() - 1
	b.Steps = append(b.Steps, Step{
		Op: Check, Why: b.why + ": a link leads inside /proc, where nothing can be mounted", Errno: unix.EPERM,
		Args: []Arg{num(0), num(1), num(1)},
	})
	b.errorSkipsToHere(elsewhere)
}

// newMount makes a new instance of a filesystem, as proc or tmpfs, in the
// program's own namespaces.
func (b *builder) newMount(m specs.Mount, opts options) error {
	// What is mounted below and made in it comes first: see finishReadOnly.
	readonly := (opts.attr.Set|opts.attr.SetAll)&unix.MOUNT_ATTR_RDONLY != 0
	filled := readonly && (m.Type == "tmpfs" || clean(m.Destination) == "dev")
	if filled {
		opts.attr.Set &^= unix.MOUNT_ATTR_RDONLY
		opts.attr.SetAll &^= unix.MOUNT_ATTR_RDONLY
	}
	if m.Type == "tmpfs" && !slices.ContainsFunc(opts.data, isMode) {
		opts.mode = b.modeOf(m.Destination)
	}
	tree := b.newTree(m.Type, m.Source, opts)
	kind := directory
	if m.Type == "proc" || m.Type == "sysfs" {
		kind = plainDirectory
	}
	target := b.target(m.Destination, kind, nil)
	b.attach(tree, target)
	b.close(target)
	b.propagate(tree, opts)
	if filled {
		b.filled = append(b.filled, tree)
	} else {
		b.close(tree)
	}
	return nil
}

// procByChild mounts proc where it can be mounted only for the namespace that its
// maker is a process of: before Linux 6.17. The maker is a child in the joined
// namespace, whose processes must not get at what it has (CVE-2016-9962): it is not
// dumpable, which keeps all out but those with CAP_SYS_PTRACE over it, and ends at
// once. It has the mounts in common with the program.
func (b *builder) procByChild(spec *specs.Spec, m specs.Mount, opts options) error {
	if b.staysInPID() && hasContainerHooks(spec.Hooks) {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"plan: mount %s: proc of a pid namespace that is joined, with createContainer hooks and in a user "+
				"namespace, needs Linux 6.17, this is %d.%d", m.Destination, b.host.Kernel.Major, b.host.Kernel.Minor)
	}
	why := b.why
	target := b.target(m.Destination, plainDirectory, nil)
	b.joinPID()
	b.why = why
	b.dumpable(0)
	pid, isChild := b.child()
	b.call("prctl", flags(uint64(unix.PR_SET_PDEATHSIG), prctlOptions),
		num(uint64(unix.SIGKILL)), num(0), num(0), num(0))
	tree := b.newTree(m.Type, m.Source, opts)
	b.attach(tree, target)
	b.propagate(tree, opts)
	b.call("exit_group", num(0))
	b.errorSkipsToHere(isChild)
	// Who may send it signals may also stop it.
	b.Steps = append(b.Steps,
		Step{Op: Reap, Call: "wait4", Why: why, Args: []Arg{pid.arg()}, Timeout: 10 * time.Second})
	b.dumpable(1)
	b.leavePID()
	b.why = why
	b.close(target)
	return nil
}

// showsHosts reports whether a filesystem shows a namespace of the host that a user
// namespace does not own: sysfs its network, proc its processes. Only the owner may
// mount it anew.
func (b *builder) showsHosts(spec *specs.Spec, m specs.Mount) bool {
	if !b.userns && !b.host.UserNS {
		return false
	}
	return m.Type == "sysfs" && !check.Has(spec, specs.NetworkNamespace) ||
		m.Type == "proc" && !check.Has(spec, specs.PIDNamespace)
}

// hostMount shows the one that the host has mounted.
func (b *builder) hostMount(spec *specs.Spec, m specs.Mount) error {
	m.Source = map[string]string{"sysfs": "/sys", "proc": "/proc"}[m.Type]
	m.Type, m.Options = "bind", append([]string{"rbind", "rprivate"}, m.Options...)
	return b.bindMount(spec, m, parseOptions(m))
}

func isMode(option string) bool { return strings.HasPrefix(option, "mode=") }

// hiddenMode is the mode of a directory that a tmpfs hides: as text, and the descriptor, or
// the error, that the directory was opened with.
type hiddenMode struct{ dir, text Value }

// modeOf finds out which mode a directory has, if it is there: a tmpfs that hides it takes
// that one, else /root would be anybody's to write to. The digits go to the filesystem as an
// option, so that it tells them, too.
func (b *builder) modeOf(name string) *hiddenMode {
	dir, s := b.lookup(clean(name), unix.O_DIRECTORY)
	s.Accept = []unix.Errno{unix.ENOENT, unix.ENOTDIR}
	missing := b.here() - 1
	stat, text := b.value(), b.value()
	b.call("statx", dir.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
		num(unix.STATX_MODE), Arg{Kind: Buffer, Num: uint64(stat)})
	const stxMode = 28
	b.Steps = append(b.Steps, Step{
		Op: Octal, Why: b.why,
		Args: []Arg{{Kind: Result, Num: uint64(stat), Offset: stxMode}, {Kind: Buffer, Num: uint64(text)}},
	})
	b.close(dir)
	b.errorSkipsToHere(missing)
	return &hiddenMode{dir, text}
}

// setMode gives the filesystem that is being configured the mode of what it hides.
func (b *builder) setMode(fs Value, m *hiddenMode) {
	const negative = 1 << 63
	b.expect(m.dir, negative, 0, unix.ENOENT)
	was := b.here() - 1
	b.Steps[was].Accept = []unix.Errno{unix.ENOENT}
	b.call("fsconfig", fs.arg(), flags(uint64(unix.FSCONFIG_SET_STRING), fsconfigCommands), str("mode"),
		Arg{Kind: Buffer, Num: uint64(m.text)}, num(0))
	b.errorSkipsToHere(was)
}

// finishReadOnly closes to writing what had to be filled first: a tmpfs with
// mounts below it, a /dev with its nodes.
func (b *builder) finishReadOnly(*specs.Spec) error {
	b.why = "make read-only what is filled"
	for _, tree := range b.filled {
		b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
			mountAttr(unix.MOUNT_ATTR_RDONLY, 0, 0), num(mountAttrSize))
		b.close(tree)
	}
	return nil
}

// newTree returns the detached mount of a new filesystem instance.
func (b *builder) newTree(fstype, source string, opts options) Value {
	fs, _ := b.get("fsopen", str(fstype), flags(uint64(unix.FSOPEN_CLOEXEC), cloexecFlags))
	if source == "" {
		source = fstype
	}
	b.fsconfig(fs, unix.FSCONFIG_SET_STRING, "source", source)
	for _, o := range opts.data {
		if key, value, ok := strings.Cut(o, "="); ok {
			b.fsconfig(fs, unix.FSCONFIG_SET_STRING, key, value)
		} else {
			b.fsconfig(fs, unix.FSCONFIG_SET_FLAG, key, "")
		}
	}
	if opts.mode != nil {
		b.setMode(fs, opts.mode)
	}
	if fstype == "proc" && b.pidNS >= 0 && b.host.ProcPIDNS() {
		// The program itself is not in the namespace, only its child will be.
		b.call("fsconfig", fs.arg(), flags(uint64(unix.FSCONFIG_SET_FD), fsconfigCommands), str("pidns"), null(),
			b.pidNS.arg())
	}
	b.call("fsconfig", fs.arg(), flags(uint64(unix.FSCONFIG_CMD_CREATE), fsconfigCommands), null(), null(), num(0))
	tree, _ := b.get("fsmount", fs.arg(), flags(uint64(unix.FSMOUNT_CLOEXEC), cloexecFlags),
		flags(opts.attr.Set|opts.attr.SetAll, mountAttrs))
	b.close(fs)
	return tree
}

func (b *builder) fsconfig(fs Value, cmd uint64, key, value string) {
	v := null()
	if cmd != unix.FSCONFIG_SET_FLAG {
		v = str(value)
	}
	b.call("fsconfig", fs.arg(), flags(cmd, fsconfigCommands), str(key), v, num(0))
}

// propagate sets a propagation other than private, which new mounts have.
func (b *builder) propagate(tree Value, opts options) {
	p := opts.attr.Propagation
	if p == 0 || p == unix.MS_PRIVATE {
		return
	}
	b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
		mountAttr(0, 0, p), num(mountAttrSize))
}

// bindMount attaches a mount that the parent copied from the host.
func (b *builder) bindMount(spec *specs.Spec, m specs.Mount, opts options) error {
	if !path.IsAbs(m.Source) {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: mount %s: source %q: want an absolute path", m.Destination,
			m.Source)
	}
	b.leaveOut(m, opts)
	if opts.attr.Propagation == 0 {
		opts.attr.Propagation, opts.attr.PropagateAll = unix.MS_PRIVATE, true
	}
	uids, gids := check.IDMap(spec, m)
	mapped := len(uids) > 0 || check.UsersOf(spec, m) != ""
	if !mapped && !sharedWithHost(spec, opts) && b.sees(spec, m.Source) {
		b.bindSeen(m, opts)
		return nil
	}
	tree := b.file(File{
		Kind: Bind, Name: m.Source, Recursive: opts.recursive, NoFollow: opts.srcLink,
		Apart: opts.recursive && b.host.MountNamespaces, Attr: opts.attr,
		UIDs: idRanges(uids), GIDs: idRanges(gids), IDMapAll: slices.Contains(m.Options, "ridmap"),
		OwnersOf: check.UsersOf(spec, m),
	})
	target := b.target(m.Destination, likeSource, tree)
	b.attach(tree, target)
	b.close(target)
	return nil
}

// Stacked begins the source of a bind that is no path of the host: its parent knows what it shows.
const Stacked = "//stack/"

// BindSource begins the Why of the steps that copy what is bound.
const BindSource = "bind source "

// sees reports whether the program finds at a path of the host what its parent does: in a copy
// of the host's mounts, over which it has the rights, and in which nothing but "/" is covered by
// the root filesystem. /proc/self is another's.
func (b *builder) sees(spec *specs.Spec, name string) bool {
	at, _ := rootAt(spec)
	clean := path.Clean(name)
	if b.userns || b.host.UserNS || !check.Makes(spec, specs.MountNamespace) || at != "/" || clean == "/" {
		return false
	}
	return !strings.HasPrefix(name, Stacked) &&
		!slices.ContainsFunc([]string{"/proc/", "/dev/fd/", "/dev/std"}, func(other string) bool {
			return strings.HasPrefix(clean+"/", other)
		})
}

// sharedWithHost reports whether what a container mounts below a bind is to be seen on the
// host, too: as runc has it, if its root filesystem is shared, else among its own mounts only.
func sharedWithHost(spec *specs.Spec, opts options) bool {
	return opts.attr.Propagation == unix.MS_SHARED &&
		propagations[spec.Linux.RootfsPropagation]&^unix.MS_REC == unix.MS_SHARED
}

// bindSeen attaches a copy that the program makes when it is the mount's turn: since Linux
// 6.8 mounts are listed in the order in which they were made, and people expect that of the spec.
func (b *builder) bindSeen(m specs.Mount, opts options) {
	mounting := b.why
	b.why = BindSource + m.Source
	how := uint64(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if opts.recursive {
		how |= unix.AT_RECURSIVE
	}
	if opts.srcLink {
		how |= unix.AT_SYMLINK_NOFOLLOW
	}
	tree, _ := b.get("open_tree", cwdFD(), str(m.Source), flags(how, treeFlags))
	b.setAttributes(tree, opts.attr)
	b.why = mounting
	target := b.target(m.Destination, likeSource, tree)
	b.cover(tree, target)
}

// mountedBefore reports whether the source of mount i is in the root, where it has what the
// mounts before it put there.
func mountedBefore(spec *specs.Spec, i int) bool {
	source, ok := inRootOf(spec, spec.Mounts[i].Source)
	return ok && slices.ContainsFunc(spec.Mounts[:i], func(m specs.Mount) bool {
		at := clean(m.Destination)
		return at == source || strings.HasPrefix(source, at+"/") || strings.HasPrefix(at, source+"/")
	})
}

// inRootOf is a path of the host as the container will have it, if it is in its root.
func inRootOf(spec *specs.Spec, name string) (string, bool) {
	if !path.IsAbs(spec.Root.Path) || path.Clean(spec.Root.Path) == "/" {
		return "", false
	}
	rest, ok := strings.CutPrefix(path.Clean(name), path.Clean(spec.Root.Path)+"/")
	return clean(rest), ok
}

// bindOwn attaches a copy of what earlier mounts have made of the container's own tree, which
// only the program sees.
func (b *builder) bindOwn(spec *specs.Spec, m specs.Mount, opts options) {
	uids, gids := check.IDMap(spec, m)
	b.leaveOut(m, opts)
	name, _ := inRootOf(spec, m.Source)
	var oflags, deep uint64
	if opts.srcLink {
		oflags = unix.O_NOFOLLOW
	}
	source, _ := b.lookup(name, oflags)
	if opts.recursive {
		deep = unix.AT_RECURSIVE
	}
	tree := b.cloneTree(source, deep)
	b.close(source)
	if opts.attr.Propagation == 0 {
		opts.attr.Propagation, opts.attr.PropagateAll = unix.MS_PRIVATE, true
	}
	b.setAttributes(tree, opts.attr)
	if of := check.UsersOf(spec, m); len(uids) > 0 || of != "" {
		ns := b.file(File{Kind: Owners, UIDs: idRanges(uids), GIDs: idRanges(gids), OwnersOf: of})
		b.mapTree(tree, ns, slices.Contains(m.Options, "ridmap"))
	}
	target := b.target(m.Destination, likeSource, tree)
	b.cover(tree, target)
}

func (b *builder) mapTree(tree Value, ns inherited, all bool) {
	if b.userns {
		b.Steps = append(b.Steps, Step{Op: MapOwners, Why: b.why, Args: []Arg{tree.arg(), ns.arg()}, Deep: all})
		return
	}
	deep := 0
	if all {
		deep = unix.AT_RECURSIVE
	}
	b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH|deep), treeFlags),
		mapOwners(ns), num(mountAttrSize))
}

// setAttributes changes a mount, and those below it first: what is said of the top wins.
func (b *builder) setAttributes(tree Value, a MountAttr) {
	if a.SetAll|a.ClearAll|a.deep() != 0 {
		b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), treeFlags),
			mountAttr(a.SetAll, a.ClearAll, a.deep()), num(mountAttrSize))
	}
	if a.Set|a.Clear|a.flat() != 0 {
		b.call("mount_setattr", tree.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
			mountAttr(a.Set, a.Clear, a.flat()), num(mountAttrSize))
	}
}

// leaveOut tells of options of a filesystem, which mean nothing to a bind: the kernel leaves
// them out, and there are specs that say "mode=755" of one.
func (b *builder) leaveOut(m specs.Mount, opts options) {
	if len(opts.data) > 0 {
		b.Warnings = append(b.Warnings, fmt.Sprintf("mount %s: options %q mean nothing to a bind and are left out",
			m.Destination, opts.data))
	}
}

// cgroupMount shows the container its own group: a copy of the group's
// directory in each hierarchy, from which the host's tree cannot be reached.
func (b *builder) cgroupMount(m specs.Mount, opts options) error {
	hs := b.host.Cgroup.Hierarchies
	if len(hs) == 0 && b.host.Cgroup.Delegated {
		return nil // there is no group of the container's to be seen
	}
	if len(hs) == 0 {
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: mount %s: no control groups are mounted on this host",
			m.Destination)
	}
	opts.data = nil
	if len(hs) == 1 && hs[0].V2 {
		tree := b.file(File{Kind: CgroupDir, Name: hs[0].Name, Attr: opts.attr})
		target := b.target(m.Destination, directory, nil)
		b.attach(tree, target)
		b.close(target)
		return nil
	}
	readonly := opts.attr.Set & unix.MOUNT_ATTR_RDONLY
	top := opts
	top.attr.Set &^= unix.MOUNT_ATTR_RDONLY
	top.data = []string{"mode=755"}
	if err := b.newMount(specs.Mount{Type: "tmpfs", Destination: m.Destination}, top); err != nil {
		return err
	}
	dir, _ := b.lookup(clean(m.Destination), unix.O_DIRECTORY)
	for _, h := range hs {
		b.mkdir(dir, h.Name)
		at, _ := b.get("openat", dir.arg(), str(h.Name), flags(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, openFlags))
		b.attach(b.file(File{Kind: CgroupDir, Name: h.Name, Attr: opts.attr}), at)
		b.close(at)
		if len(h.Controllers) > 1 {
			for _, c := range h.Controllers {
				b.call("symlinkat", str(h.Name), dir.arg(), str(c))
			}
		}
	}
	if readonly != 0 {
		b.call("mount_setattr", dir.arg(), str(""), flags(uint64(unix.AT_EMPTY_PATH), treeFlags),
			mountAttr(readonly, 0, 0), num(mountAttrSize))
	}
	b.close(dir)
	return nil
}

// remount changes the attributes of what an earlier mount, or the root, has at
// the destination.
func (b *builder) remount(m specs.Mount, opts options) error {
	if len(opts.data) > 0 {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"plan: mount %s: option \"remount\" with %q, an option of the filesystem", m.Destination, opts.data[0])
	}
	target, _ := b.lookup(clean(m.Destination), 0)
	b.setAttributes(target, opts.attr)
	b.close(target)
	return nil
}

// copyUpMount attaches a tmpfs that the parent has filled with what the root
// filesystem, without other mounts, has at the destination.
func (b *builder) copyUpMount(m specs.Mount, opts options) error {
	switch {
	case m.Type != "tmpfs":
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: mount %s: option \"tmpcopyup\": only for a tmpfs",
			m.Destination)
	case b.userns:
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: mount %s: option \"tmpcopyup\" in a user namespace",
			m.Destination)
	}
	tree := b.file(File{Kind: CopyUp, Name: clean(m.Destination), Options: opts.data, Attr: opts.attr})
	target := b.target(m.Destination, directory, nil)
	b.attach(tree, target)
	b.close(target)
	return nil
}

// consoleMount attaches the devpts instance in which the parent has opened the
// console.
func (b *builder) consoleMount(m specs.Mount, opts options) {
	tree := b.file(File{Kind: DevPTS, Options: opts.data, Attr: opts.attr})
	target := b.target(m.Destination, directory, nil)
	b.attach(tree, target)
	b.close(target)
}
