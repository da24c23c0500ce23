package seccomp

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// run interprets a filter as the kernel does.
func run(t *testing.T, code []insn, nr, audit uint32, args [6]uint64) uint32 {
	t.Helper()
	data := binary.LittleEndian.AppendUint32(nil, nr)
	data = binary.LittleEndian.AppendUint32(data, audit)
	data = binary.LittleEndian.AppendUint64(data, 0)
	for _, a := range args {
		data = binary.LittleEndian.AppendUint64(data, a)
	}
	var acc uint32
	for pc := 0; pc < len(code); pc++ {
		in := code[pc]
		var yes bool
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.LittleEndian.Uint32(data[in.K:])
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= in.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(in.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			yes = acc == in.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			yes = acc > in.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			yes = acc >= in.K
		default:
			t.Fatalf("instruction %d: unexpected code %#x", pc, in.Code)
		}
		if yes {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
	t.Fatal("the filter ends without a decision")
	return 0
}

var dockerCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

func defaultProfile(t testing.TB) *specs.LinuxSeccomp {
	t.Helper()
	p, err := Default(dockerCaps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	allow = uint32(unix.SECCOMP_RET_ALLOW)
	eperm = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
	// enosys lets a program try what an older kernel has.
	enosys = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
)

// judged is a call, and what becomes of it.
type judged struct {
	name      string
	nr, audit uint32
	arg0      uint64
	want      uint32
}

// byDefault are calls of each machine under the profile that containers have there.
var byDefault = map[string][]judged{
	"amd64": {
		{"read", 0, unix.AUDIT_ARCH_X86_64, 0, allow},
		{"mount", 165, unix.AUDIT_ARCH_X86_64, 0, eperm},
		{"clone of a thread", 56, unix.AUDIT_ARCH_X86_64, unix.CLONE_VM | unix.CLONE_THREAD, allow},
		{"clone of a user namespace", 56, unix.AUDIT_ARCH_X86_64, unix.CLONE_NEWUSER, eperm},
		{"clone3", 435, unix.AUDIT_ARCH_X86_64, 0, enosys},
		{"unshare", 272, unix.AUDIT_ARCH_X86_64, 0, eperm},
		{"personality of Linux", 135, unix.AUDIT_ARCH_X86_64, 0, allow},
		{"personality of an old one", 135, unix.AUDIT_ARCH_X86_64, 7, eperm},
		{"personality asked", 135, unix.AUDIT_ARCH_X86_64, 0xffffffff, allow},
		{"socket of a vsock", 41, unix.AUDIT_ARCH_X86_64, unix.AF_VSOCK, eperm},
		{"socket of internet", 41, unix.AUDIT_ARCH_X86_64, unix.AF_INET, allow},
		{"keyctl", 250, unix.AUDIT_ARCH_X86_64, 0, eperm},
		{"bpf", 321, unix.AUDIT_ARCH_X86_64, 0, eperm},
		{"io_uring_setup", 425, unix.AUDIT_ARCH_X86_64, 0, eperm},
		{"a call of the future", 600, unix.AUDIT_ARCH_X86_64, 0, enosys},
		{"read of x32", x32Bit, unix.AUDIT_ARCH_X86_64, 0, enosys},
		{"read of i386", 3, unix.AUDIT_ARCH_I386, 0, allow},
		{"mount of i386", 21, unix.AUDIT_ARCH_I386, 0, eperm},
		{"read of another processor", 63, unix.AUDIT_ARCH_AARCH64, 0, unix.SECCOMP_RET_KILL_PROCESS},
	},
	"arm64": {
		{"read", 63, unix.AUDIT_ARCH_AARCH64, 0, allow},
		{"newfstatat", 79, unix.AUDIT_ARCH_AARCH64, 0, allow},
		{"mount", 40, unix.AUDIT_ARCH_AARCH64, 0, eperm},
		{"clone of a thread", 220, unix.AUDIT_ARCH_AARCH64, unix.CLONE_VM | unix.CLONE_THREAD, allow},
		{"clone of a user namespace", 220, unix.AUDIT_ARCH_AARCH64, unix.CLONE_NEWUSER, eperm},
		{"clone3", 435, unix.AUDIT_ARCH_AARCH64, 0, enosys},
		{"unshare", 97, unix.AUDIT_ARCH_AARCH64, 0, eperm},
		{"personality of Linux", 92, unix.AUDIT_ARCH_AARCH64, 0, allow},
		{"personality of an old one", 92, unix.AUDIT_ARCH_AARCH64, 7, eperm},
		{"socket of a vsock", 198, unix.AUDIT_ARCH_AARCH64, unix.AF_VSOCK, eperm},
		{"socket of internet", 198, unix.AUDIT_ARCH_AARCH64, unix.AF_INET, allow},
		{"keyctl", 219, unix.AUDIT_ARCH_AARCH64, 0, eperm},
		{"bpf", 280, unix.AUDIT_ARCH_AARCH64, 0, eperm},
		{"io_uring_setup", 425, unix.AUDIT_ARCH_AARCH64, 0, eperm},
		{"a call of the future", 600, unix.AUDIT_ARCH_AARCH64, 0, enosys},
		{"read of arm", 3, unix.AUDIT_ARCH_ARM, 0, allow},
		{"mount of arm", 21, unix.AUDIT_ARCH_ARM, 0, eperm},
		{"read of another processor", 0, unix.AUDIT_ARCH_X86_64, 0, unix.SECCOMP_RET_KILL_PROCESS},
	},
}

func TestDefaultProfile(t *testing.T) {
	t.Parallel()
	code, err := Compile(defaultProfile(t), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instructions", len(code))
	for _, tt := range byDefault[runtime.GOARCH] {
		if got := run(t, code, tt.nr, tt.audit, [6]uint64{tt.arg0}); got != tt.want {
			t.Errorf("%s: got %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	values := []uint64{0, 1, 2, 3, 4, 1<<32 - 1, 1 << 32, 1<<32 + 2, 1<<32 + 3, 5<<32 + 1, 5<<32 + 3, 1<<64 - 1}
	ops := map[specs.LinuxSeccompOperator]func(a, v, two uint64) bool{
		specs.OpEqualTo:      func(a, v, _ uint64) bool { return a == v },
		specs.OpNotEqual:     func(a, v, _ uint64) bool { return a != v },
		specs.OpLessThan:     func(a, v, _ uint64) bool { return a < v },
		specs.OpLessEqual:    func(a, v, _ uint64) bool { return a <= v },
		specs.OpGreaterThan:  func(a, v, _ uint64) bool { return a > v },
		specs.OpGreaterEqual: func(a, v, _ uint64) bool { return a >= v },
		specs.OpMaskedEqual:  func(a, v, two uint64) bool { return a&v == two },
	}
	for op, holds := range ops {
		for index := range uint(6) {
			for _, v := range values {
				for _, two := range []uint64{0, 2, 1 << 32} {
					code := compileRule(t, specs.LinuxSeccompArg{Index: index, Value: v, ValueTwo: two, Op: op})
					for _, a := range values {
						var args [6]uint64
						args[index] = a
						got := run(t, code, 0, unix.AUDIT_ARCH_X86_64, args) == allow
						if want := holds(a, v, two); got != want {
							t.Fatalf("%s: argument %#x with %#x, %#x: got %v", op, a, v, two, got)
						}
					}
				}
			}
		}
	}
}

// compileRule allows read under args and refuses all else.
func compileRule(t *testing.T, args ...specs.LinuxSeccompArg) []insn {
	t.Helper()
	code, err := Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow, Args: args}},
	}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestConjunctionAndAlternatives(t *testing.T) {
	t.Parallel()
	equal := func(i uint, v uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: i, Value: v, Op: specs.OpEqualTo}
	}
	both := compileRule(t, equal(0, 1), equal(1, 2))
	either := compileRule(t, equal(0, 1), equal(0, 2))
	for _, tt := range []struct {
		code []insn
		args [6]uint64
		want bool
	}{
		{both, [6]uint64{1, 2}, true},
		{both, [6]uint64{1, 3}, false},
		{both, [6]uint64{0, 2}, false},
		{either, [6]uint64{1}, true},
		{either, [6]uint64{2}, true},
		{either, [6]uint64{3}, false},
	} {
		if got := run(t, tt.code, 0, unix.AUDIT_ARCH_X86_64, tt.args) == allow; got != tt.want {
			t.Errorf("%v: got %v", tt.args, got)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	big := uint(70000)
	for name, p := range map[string]*specs.LinuxSeccomp{
		"action":   {DefaultAction: "SCMP_ACT_NONE"},
		"errno":    {DefaultAction: specs.ActErrno, DefaultErrnoRet: &big},
		"operator": {DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Op: "~"}}}}},
		"arch":     {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_X86_46"}},
		"index":    {DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}}},
	} {
		if _, err := Compile(p, "amd64"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "vax"); err == nil {
		t.Error("vax: no error")
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	c := Cache{Dir: t.TempDir() + "/seccomp"}
	p := defaultProfile(t)
	first, err := c.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Compile(p)
	if err != nil || len(first) != len(second) {
		t.Fatalf("from the cache: %d instructions, %v; want %d", len(second), err, len(first))
	}
	if key(p) == key(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}) {
		t.Error("two profiles have one key")
	}
	damaged := encode(first)
	damaged[100] ^= 1
	if _, ok := decode(damaged); ok {
		t.Error("a damaged filter is accepted")
	}
}

func BenchmarkCompile(b *testing.B) {
	p := defaultProfile(b)
	for b.Loop() {
		if _, err := Compile(p, "amd64"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCached(b *testing.B) {
	p := defaultProfile(b)
	c := Cache{Dir: b.TempDir()}
	for b.Loop() {
		if _, err := c.Compile(p); err != nil {
			b.Fatal(err)
		}
	}
}
