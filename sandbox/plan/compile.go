package plan

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
)

// Compile writes down the system calls that make the container of spec on a
// host with features h. It asks nothing of the machine itself.
//
// What spec wants and the plan cannot express is an error: ErrInvalid if it
// cannot be right anywhere, ErrUnsupported if this host or cove lacks it.
func Compile(spec *specs.Spec, h host.Features) (*Plan, error) {
	if err := checkSpec(spec); err != nil {
		return nil, err
	}
	b := &builder{host: h, userns: newUserNS(spec), hookOutput: -1}
	b.Steps = make([]Step, 0, 512) // docker's containers have 450
	b.Terminal = spec.Process.Terminal
	rootfs := b.file(File{Kind: Root})
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
	return &b.Plan, nil
}

// CompileExec writes down the calls that run proc inside the running container
// of spec.
func CompileExec(spec *specs.Spec, proc *specs.Process, h host.Features) (*Plan, error) {
	if err := checkProcess(proc); err != nil {
		return nil, err
	}
	if spec.Linux == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: no linux section")
	}
	b := &builder{host: h, pidNS: -1, userns: hasNamespace(spec, specs.UserNamespace)}
	b.Terminal = proc.Terminal
	b.join(spec, proc)
	if err := b.process(spec, proc, nil); err != nil {
		return nil, err
	}
	return &b.Plan, nil
}

func checkSpec(spec *specs.Spec) error {
	switch {
	case spec.Root == nil:
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: no root")
	case spec.Linux == nil:
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: no linux section")
	case !slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.MountNamespace
	}):
		// pivot_root in the host's mount namespace would take the host's root.
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: a container needs a mount namespace of its own")
	case spec.Linux.IntelRdt != nil:
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: linux.intelRdt")
	case len(spec.Linux.TimeOffsets) > 0:
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: linux.timeOffsets")
	case spec.Linux.Personality != nil && spec.Linux.Personality.Domain != specs.PerLinux:
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: linux.personality %q", spec.Linux.Personality.Domain)
	case spec.Linux.MountLabel != "":
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: linux.mountLabel (SELinux)")
	}
	if err := checkHooks(spec.Hooks); err != nil {
		return err
	}
	return checkProcess(spec.Process)
}

// newUserNS reports that spec makes a user namespace.
func newUserNS(spec *specs.Spec) bool {
	return slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.UserNamespace && n.Path == ""
	})
}

func checkProcess(proc *specs.Process) error {
	switch {
	case proc == nil:
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: no process")
	case len(proc.Args) == 0 || proc.Args[0] == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: process.args: no command")
	case len(proc.Cwd) == 0 || proc.Cwd[0] != '/':
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: process.cwd %q: want an absolute path", proc.Cwd)
	case proc.SelinuxLabel != "":
		return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: process.selinuxLabel")
	}
	return nil
}

// namespaceFlags are the namespaces that a program can be started in. A cgroup
// namespace is not among them: it shows as its root the group that its maker
// is in, so it is made after the group was joined.
func namespaceFlag(t specs.LinuxNamespaceType) (uint64, error) {
	switch t {
	case specs.MountNamespace:
		return unix.CLONE_NEWNS, nil
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID, nil
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET, nil
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC, nil
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS, nil
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER, nil
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP, nil
	case specs.TimeNamespace:
		return 0, errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: a time namespace")
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: unknown namespace %q", t)
}

// namespaces joins the control group, then the namespaces that exist, and has
// the others made at clone.
func (b *builder) namespaces(spec *specs.Spec) error {
	b.why = "name"
	b.call("prctl", flags(uint64(unix.PR_SET_NAME), prctlOptions), str("cove-init"), num(0), num(0), num(0))
	b.dieWithParent(num(uint64(unix.SIGKILL)))
	b.joinCgroup()
	unshare := false
	b.pidNS = -1
	for _, ns := range spec.Linux.Namespaces {
		flag, err := namespaceFlag(ns.Type)
		if err != nil {
			return err
		}
		switch {
		case ns.Path != "" && flag == unix.CLONE_NEWUSER:
			return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: joining the user namespace %s", ns.Path)
		case ns.Path != "" && flag == unix.CLONE_NEWNS:
			return errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: joining the mount namespace %s", ns.Path)
		case ns.Path != "":
			f := b.file(File{Kind: Namespace, Name: ns.Path})
			if flag == unix.CLONE_NEWPID {
				b.pidNS = f // joined by joinPID
				break
			}
			b.why = "join " + string(ns.Type) + " namespace"
			b.call("setns", f.arg(), flags(flag, cloneFlags))
		case flag == unix.CLONE_NEWCGROUP:
			unshare = true
		default:
			b.Clone |= flag
		}
	}
	b.Forks = b.pidNS >= 0
	if b.Clone&unix.CLONE_NEWUSER != 0 {
		if err := b.userMaps(spec.Linux); err != nil {
			return err
		}
	}
	if unshare {
		b.why = "make cgroup namespace"
		b.call("unshare", flags(uint64(unix.CLONE_NEWCGROUP), cloneFlags))
	}
	return nil
}

// joinPID enters a pid namespace, for the children to come.
func (b *builder) joinPID() {
	if b.pidNS >= 0 {
		b.why = "join pid namespace"
		b.call("setns", b.pidNS.arg(), flags(uint64(unix.CLONE_NEWPID), cloneFlags))
	}
}

func (b *builder) userMaps(l *specs.Linux) error {
	b.UIDs, b.GIDs = idRanges(l.UIDMappings), idRanges(l.GIDMappings)
	if len(b.UIDs) == 0 || len(b.GIDs) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "plan: config.json: a user namespace needs uidMappings and gidMappings")
	}
	return nil
}

func idRanges(maps []specs.LinuxIDMapping) []IDRange {
	var out []IDRange
	for _, m := range maps {
		out = append(out, IDRange{Inside: m.ContainerID, Outside: m.HostID, Size: m.Size})
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
	b.detach()
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
	if b.Clone&unix.CLONE_NEWNET != 0 {
		b.loopback()
	}
	return nil
}
