package plan

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/check"
	"cove/sandbox/host"
)

// Compile writes down the system calls that make the container of spec on a
// host with features h. It asks nothing of the machine itself.
//
// What spec wants and the plan cannot express is an error: ErrInvalid if it
// cannot be right anywhere, ErrUnsupported if this host or cove lacks it.
func Compile(spec *specs.Spec, h host.Features) (*Plan, error) {
	if err := check.Spec(spec); err != nil {
		return nil, err
	}
	b := &builder{host: h, userns: check.Has(spec, specs.UserNamespace), hookOutput: -1}
	b.Steps = make([]Step, 0, 512) // docker's containers have 450
	b.Terminal = spec.Process.Terminal
	rootfs := b.file(File{Kind: Root, Attr: MountAttr{Propagation: rootFollows(spec.Linux.RootfsPropagation)}})
	b.root = rootfs
	for _, section := range []func(*specs.Spec) error{
		b.namespaces,
		b.identity,
		b.rootMount,
		b.mounts,
		b.devices,
		b.maskedPaths,
		b.readonlyPaths,
		b.workingDir,
		b.finishReadOnly,
		b.afterMounts,
		b.pivot,
	} {
		if err := section(spec); err != nil {
			return nil, err
		}
	}
	var hooks []specs.Hook
	if spec.Hooks != nil {
		hooks = spec.Hooks.StartContainer
	}
	if err := b.process(spec, spec.Process, hooks); err != nil {
		return nil, err
	}
	return b.finished()
}

// CompileExec writes down the calls that run proc inside the running container
// of spec.
func CompileExec(spec *specs.Spec, proc *specs.Process, h host.Features) (*Plan, error) {
	if err := check.Process(proc); err != nil {
		return nil, err
	}
	if spec.Linux == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: no linux section")
	}
	b := &builder{host: h, pidNS: -1, userns: check.Has(spec, specs.UserNamespace)}
	b.Terminal = proc.Terminal
	if err := b.join(spec, proc); err != nil {
		return nil, err
	}
	if err := b.process(spec, proc, nil); err != nil {
		return nil, err
	}
	return b.finished()
}

// finished is the plan, in which every string reaches the kernel as it was written: one
// with a zero byte in it would be cut there.
func (b *builder) finished() (*Plan, error) {
	cut := func(s string) bool { return strings.IndexByte(s, 0) >= 0 }
	for i := range b.Steps {
		for _, a := range b.Steps[i].Args {
			if j := slices.IndexFunc(a.List, cut); j >= 0 {
				a.Str = a.List[j]
			}
			if cut(a.Str) {
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"plan: %s: %q has a zero byte in it", b.Steps[i].Why, a.Str)
			}
		}
	}
	return &b.Plan, nil
}

// namespaceFlag is the CLONE_NEW flag of a namespace.
func namespaceFlag(t specs.LinuxNamespaceType) uint64 {
	switch t {
	case specs.MountNamespace:
		return unix.CLONE_NEWNS
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME
	}
	return 0 // refused by check
}

// namespaces joins the control group, then the namespaces that exist, and has
// the others made at clone.
func (b *builder) namespaces(spec *specs.Spec) error {
	b.why = "name"
	b.call("prctl", flags(uint64(unix.PR_SET_NAME), prctlOptions), str("cove-init"), num(0), num(0), num(0))
	b.dieWithParent(num(uint64(unix.SIGKILL)))
	b.joinCgroup()
	b.everyProcessor()
	b.pidNS = -1
	user, later := inherited(-1), []specs.LinuxNamespaceType{}
	for _, ns := range spec.Linux.Namespaces {
		flag := namespaceFlag(ns.Type)
		switch {
		case ns.Path != "":
			f := b.file(File{Kind: Namespace, Name: ns.Path})
			switch ns.Type {
			case specs.PIDNamespace:
				b.pidNS = f // joined by joinPID
			case specs.UserNamespace:
				user = f // last: after it the program has no rights over the others
			default:
				b.joinNamespace(f, ns.Type)
			}
		case ns.Type == specs.CgroupNamespace, ns.Type == specs.TimeNamespace:
			later = append(later, ns.Type)
		default:
			b.Clone |= flag
		}
	}
	b.UIDs, b.GIDs = idRanges(spec.Linux.UIDMappings), idRanges(spec.Linux.GIDMappings)
	if user >= 0 {
		b.enterUser(user)
	}
	b.Forks = b.Forks || b.pidNS >= 0
	if slices.Contains(later, specs.CgroupNamespace) {
		b.why = "make cgroup namespace"
		b.call("unshare", flags(uint64(unix.CLONE_NEWCGROUP), cloneFlags))
	}
	if slices.Contains(later, specs.TimeNamespace) {
		b.timeNamespace(spec.Linux.TimeOffsets)
	}
	return nil
}

func (b *builder) joinNamespace(f inherited, t specs.LinuxNamespaceType) {
	b.why = "join " + string(t) + " namespace"
	b.call("setns", f.arg(), flags(namespaceFlag(t), cloneFlags))
}

// enterUser joins a user namespace. The other namespaces that are to be made
// must belong to it, so they are made afterwards: for a pid namespace by a fork,
// of which nobody in the user namespace can see anything yet.
func (b *builder) enterUser(f inherited) {
	b.joinNamespace(f, specs.UserNamespace)
	b.becomeRoot()
	// A new identity takes the right to one's own files in /proc.
	b.dumpable(1)
	made := b.Clone
	b.Clone, b.UIDs, b.GIDs = 0, nil, nil
	switch {
	case made&unix.CLONE_NEWPID != 0:
		b.Forks = true
		b.forkInto("fork into namespaces of the user namespace", made)
		b.dieWithParent(num(uint64(unix.SIGKILL)))
	case made != 0:
		b.why = "make namespaces of the user namespace"
		b.call("unshare", flags(made, cloneFlags))
	}
	b.newNet = made&unix.CLONE_NEWNET != 0
}

// dumpable says who may look into the program: 0 is nobody without CAP_SYS_PTRACE.
func (b *builder) dumpable(to int) {
	b.call("prctl", flags(uint64(unix.PR_SET_DUMPABLE), prctlOptions), num(to), num(0), num(0), num(0))
}

// becomeRoot takes the root of a user namespace for the program's user.
func (b *builder) becomeRoot() {
	b.why = "become root of the user namespace"
	b.call("setresgid", num(0), num(0), num(0))
	b.call("setresuid", num(0), num(0), num(0))
}

// joinPID enters a pid namespace, for the children to come.
func (b *builder) joinPID() {
	if b.pidNS >= 0 {
		b.why = "join pid namespace"
		b.call("setns", b.pidNS.arg(), flags(uint64(unix.CLONE_NEWPID), cloneFlags))
	}
}

// leavePID takes joinPID back: hooks of the host that come later are no processes
// of the container's.
func (b *builder) leavePID() {
	if b.staysInPID() {
		return
	}
	b.why = "leave pid namespace"
	own := b.file(File{Kind: Namespace, Name: "/proc/self/ns/pid"})
	b.call("setns", own.arg(), flags(uint64(unix.CLONE_NEWPID), cloneFlags))
}

// staysInPID reports that joinPID cannot be taken back: a user namespace has no right
// to the pid namespace outside it.
func (b *builder) staysInPID() bool { return b.userns || b.host.UserNS }

func idRanges(maps []specs.LinuxIDMapping) []mount.IDRange {
	var out []mount.IDRange
	for _, m := range maps {
		out = append(out, mount.IDRange{Inside: m.ContainerID, Outside: m.HostID, Size: m.Size})
	}
	return out
}

// joinCgroup enters the group in every v1 hierarchy; into that of v2, alone or
// beside them, the program was cloned.
//
// The program has one thread, so that its task is all of it. To move a whole
// process by cgroup.procs, the kernel first keeps every process of the host
// from starting threads and from ending, and waits milliseconds for that.
func (b *builder) joinCgroup() {
	b.why = "join control group"
	for _, h := range b.host.Cgroup.Hierarchies {
		if h.V2 {
			continue
		}
		f := b.file(File{Kind: CgroupTasks, Name: h.Name})
		b.call("write", f.arg(), str("0"), num(1))
	}
}

// identity sets what the process is called and how it is treated.
func (b *builder) identity(spec *specs.Spec) error {
	b.detach(b.pidNS < 0 && check.Has(spec, specs.PIDNamespace))
	if spec.Hostname != "" {
		b.why = "hostname"
		b.call("sethostname", str(spec.Hostname), num(len(spec.Hostname)))
	}
	if spec.Domainname != "" {
		b.why = "domainname"
		b.call("setdomainname", str(spec.Domainname), num(len(spec.Domainname)))
	}
	if spec.Process.OOMScoreAdj != nil {
		b.oomScore(*spec.Process.OOMScoreAdj)
	}
	if b.newNet || b.Clone&unix.CLONE_NEWNET != 0 {
		b.loopback()
	}
	return nil
}
