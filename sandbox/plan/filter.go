package plan

import (
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/check"
)

// filter loads the filter of system calls. One that leaves calls to an agent has a
// listener, which the parent hands to it.
func (b *builder) filter(l *specs.Linux) error {
	if l == nil || l.Seccomp == nil {
		return nil
	}
	bits, err := FilterFlags(l.Seccomp)
	if err != nil {
		return err
	}
	b.why = "system call filter"
	s := b.call("seccomp", flags(uint64(unix.SECCOMP_SET_MODE_FILTER), seccompOps), flags(bits, seccompFlags),
		Arg{Kind: Filter})
	if bits&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		s.Op = Listen
	}
	return nil
}

// filterFlags are those of seccomp(2) that a spec may name.
var filterFlags = map[specs.LinuxSeccompFlag]uint64{
	"SECCOMP_FILTER_FLAG_TSYNC":            0, // the program has one thread
	specs.LinuxSeccompFlagLog:              unix.SECCOMP_FILTER_FLAG_LOG,
	specs.LinuxSeccompFlagSpecAllow:        unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	specs.LinuxSeccompFlagWaitKillableRecv: unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
}

// FilterFlags are those that a filter is loaded with. A spec that says nothing of them
// leaves the processor's speculation as the host has it, as other runtimes do; one with an
// empty list does not.
func FilterFlags(s *specs.LinuxSeccomp) (uint64, error) {
	var bits uint64
	if s.Flags == nil {
		bits = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	for _, f := range s.Flags {
		bit, ok := filterFlags[f]
		if !ok {
			return 0, errdefs.Errorf(errdefs.ErrUnsupported, "plan: config.json: linux.seccomp.flags %q", f)
		}
		bits |= bit
	}
	if check.Notifies(s) {
		bits |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	return bits, nil
}

// SeccompFlags are the flags that a spec may name, with their bits.
func SeccompFlags() map[specs.LinuxSeccompFlag]uint64 { return maps.Clone(filterFlags) }

// agentFirst notes whether the program, between the filter and the fork that is next, makes
// a call that the filter leaves to the agent.
func (b *builder) agentFirst(s *specs.LinuxSeccomp) {
	loaded := slices.IndexFunc(b.Steps, func(s Step) bool { return s.Op == Listen })
	if loaded < 0 {
		return
	}
	made := []string{"read", "close", "clone"} // by the step itself, and by the fork
	for _, step := range b.Steps[loaded+1:] {
		made = append(made, step.Call)
	}
	b.AgentFirst = slices.ContainsFunc(s.Syscalls, func(r specs.LinuxSyscall) bool {
		return r.Action == specs.ActNotify &&
			slices.ContainsFunc(made, func(call string) bool { return slices.Contains(r.Names, call) })
	})
}
