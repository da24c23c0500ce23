package seccomp

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestFeatures: what is named can be compiled, and flags that the kernel lacks are known alone.
func TestFeatures(t *testing.T) {
	t.Parallel()
	f := Features(map[specs.LinuxSeccompFlag]uint64{
		"NONE": 0, "LOG": unix.SECCOMP_FILTER_FLAG_LOG, "FUTURE": 1 << 30,
	})
	if !slices.Equal(f.KnownFlags, []string{"FUTURE", "LOG", "NONE"}) || !slices.Equal(f.SupportedFlags, []string{"LOG", "NONE"}) {
		t.Errorf("flags %q, of which %q load", f.KnownFlags, f.SupportedFlags)
	}
	for _, a := range f.Actions {
		for _, op := range f.Operators {
			p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{
				Names: []string{"read"}, Action: specs.LinuxSeccompAction(a),
				Args: []specs.LinuxSeccompArg{{Op: specs.LinuxSeccompOperator(op)}},
			}}}
			for _, arch := range f.Archs {
				p.Architectures = append(p.Architectures, specs.Arch(arch))
			}
			if _, err := Compile(p, "amd64"); err != nil {
				t.Errorf("%s %s: %v", a, op, err)
			}
		}
	}
}

// TestNotify: a call that is left to an agent stops there.
func TestNotify(t *testing.T) {
	t.Parallel()
	code, err := Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}},
	}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	const mkdir = 83 // on amd64, whichever this machine is
	for nr, want := range map[uint32]uint32{mkdir: unix.SECCOMP_RET_USER_NOTIF, mkdir + 1: allow} {
		if got := run(t, code, nr, unix.AUDIT_ARCH_X86_64, [6]uint64{}); got != want {
			t.Errorf("call %d: %#x, want %#x", nr, got, want)
		}
	}
}
