package plan

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/check"
	"cove/sandbox/host"
)

// joinFlags are the namespaces that exec joins if the container has its own.
var joinFlags = []struct {
	t    specs.LinuxNamespaceType
	flag uint64
}{
	{specs.UserNamespace, unix.CLONE_NEWUSER},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP},
	{specs.IPCNamespace, unix.CLONE_NEWIPC},
	{specs.UTSNamespace, unix.CLONE_NEWUTS},
	{specs.NetworkNamespace, unix.CLONE_NEWNET},
	{specs.PIDNamespace, unix.CLONE_NEWPID},
	{specs.TimeNamespace, unix.CLONE_NEWTIME},
	{specs.MountNamespace, unix.CLONE_NEWNS},
}

// join enters the namespaces of a running container, all in one call on the
// pidfd of its first process: no path of /proc is resolved that could change.
// The pid namespace then holds for children only, hence the fork at the end.
func (b *builder) join(spec *specs.Spec, proc *specs.Process) error {
	b.why = "name"
	b.call("prctl", flags(uint64(unix.PR_SET_NAME), prctlOptions), str("cove-init"), num(0), num(0), num(0))
	b.dieWithParent(num(uint64(unix.SIGKILL)))
	initial, final := "", ""
	if a := proc.ExecCPUAffinity; a != nil {
		initial, final = a.Initial, a.Final
	}
	// With v2 the program is in the container's group from its clone on, where
	// these processors may be out of reach already.
	var accept []unix.Errno
	if b.host.Cgroup.Mode == host.CgroupV2 {
		accept = []unix.Errno{unix.EINVAL}
	}
	if err := b.affinity(initial, accept...); err != nil {
		return err
	}
	b.joinCgroup()
	if initial == "" && final == "" {
		b.everyProcessor()
	} else if err := b.affinity(final); err != nil {
		return err
	}
	b.openLabel(proc)
	b.why = "join namespaces"
	var bits uint64
	for _, j := range joinFlags {
		if check.Has(spec, j.t) {
			bits |= j.flag
		}
	}
	target := b.file(File{Kind: Target})
	b.call("setns", target.arg(), flags(bits, cloneFlags))
	if bits&unix.CLONE_NEWUSER != 0 {
		b.becomeRoot()
	}
	if !check.Makes(spec, specs.MountNamespace) {
		// Its root is not that of a mount namespace, which joining one leads to.
		root := b.file(File{Kind: TargetRoot})
		b.chroot(root)
		b.call("chdir", str("/"))
	}
	b.detach(false)
	if b.Forks = bits&unix.CLONE_NEWPID != 0; b.Forks {
		b.pidNS = target
	}
	return nil
}
