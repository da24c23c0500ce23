package check

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Notifies reports whether a filter leaves system calls to an agent, which is told of its
// listener.
func Notifies(s *specs.LinuxSeccomp) bool {
	return s != nil && slices.ContainsFunc(s.Syscalls, func(r specs.LinuxSyscall) bool {
		return r.Action == specs.ActNotify
	})
}

// filter refuses what nobody could answer for: calls without an agent, and the one that
// hands the listener over. A listenerPath without such calls means nothing (config-linux.md,
// "Seccomp").
func filter(spec *specs.Spec) error {
	s := spec.Linux.Seccomp
	switch {
	case s == nil:
		return nil
	case s.ListenerMetadata != "" && s.ListenerPath == "":
		return invalid("linux.seccomp.listenerMetadata: without listenerPath")
	case s.DefaultAction == specs.ActNotify:
		return invalid("linux.seccomp: SCMP_ACT_NOTIFY cannot be used as default action: " +
			"the call that hands the listener to the agent would wait for it")
	case slices.Contains(s.Flags, specs.LinuxSeccompFlagWaitKillableRecv) && !Notifies(s):
		return invalid("linux.seccomp.flags: %s: only with a call whose action is SCMP_ACT_NOTIFY",
			specs.LinuxSeccompFlagWaitKillableRecv)
	case Notifies(s) && s.ListenerPath == "":
		return invalid("linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs the path of an agent's socket")
	}
	for _, rule := range s.Syscalls {
		if rule.Action == specs.ActNotify && slices.Contains(rule.Names, "write") {
			return invalid("linux.seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall: " +
				"the listener is handed to the agent by it")
		}
	}
	return nil
}
