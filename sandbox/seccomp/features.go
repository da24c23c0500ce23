package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"
)

// Features is what a runtime says of filters (features.md, "Seccomp"): flags, as the spec
// calls them with their bits, are those that it knows, of which this kernel may lack some.
func Features(flags map[specs.LinuxSeccompFlag]uint64) *features.Seccomp {
	yes := true
	f := &features.Seccomp{
		Enabled: &yes, Archs: texts(known),
		Actions: texts([]specs.LinuxSeccompAction{
			specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread,
			specs.ActLog, specs.ActNotify, specs.ActTrace, specs.ActTrap,
		}),
		Operators: texts([]specs.LinuxSeccompOperator{
			specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan,
			specs.OpMaskedEqual, specs.OpNotEqual,
		}),
	}
	for name, bit := range flags {
		f.KnownFlags = append(f.KnownFlags, string(name))
		if loads(bit) {
			f.SupportedFlags = append(f.SupportedFlags, string(name))
		}
	}
	slices.Sort(f.KnownFlags)
	slices.Sort(f.SupportedFlags)
	return f
}

func texts[T ~string](words []T) []string {
	var out []string
	for _, w := range words {
		out = append(out, string(w))
	}
	slices.Sort(out)
	return out
}

// loads reports whether the kernel takes a filter with a flag: it looks at the flags before
// the filter, which is none here.
func loads(bit uint64) bool {
	if bit == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
		bit |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER // only with a listener
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(bit), 0)
	return errno == unix.EFAULT
}
