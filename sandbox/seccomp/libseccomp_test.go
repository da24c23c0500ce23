package seccomp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// reference is a program over libseccomp: it reads rules and writes its filter.
const reference = `
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
int main(void) {
	unsigned def, act, n; char name[64];
	if (scanf("%u", &def) != 1) return 2;
	scmp_filter_ctx c = seccomp_init(def);
	while (scanf("%63s %u %u", name, &act, &n) == 3) {
		struct scmp_arg_cmp args[6];
		for (unsigned i = 0; i < n; i++) {
			unsigned index, op; unsigned long long a, b;
			if (scanf("%u %u %llu %llu", &index, &op, &a, &b) != 4) return 2;
			args[i] = (struct scmp_arg_cmp){index, op, a, b};
		}
		int nr = seccomp_syscall_resolve_name(name);
		if (nr < 0) fprintf(stderr, "%s\n", name);
		if (nr < 0 || act == def) continue;
		int rc = seccomp_rule_add_array(c, act, nr, n, args);
		if (rc != 0 && rc != -EEXIST) return 3;
	}
	return seccomp_export_bpf(c, 1) != 0;
}
`

// TestAgainstLibseccomp compares decisions, call by call and argument by
// argument, with the filter that libseccomp makes of the same profile.
func TestAgainstLibseccomp(t *testing.T) {
	t.Parallel()
	bin := buildReference(t, reference)
	profile := defaultProfile(t)
	profile.Architectures = []specs.Arch{specs.ArchX86_64}
	theirs, unknown := export(t, bin, profile)
	for i := range profile.Syscalls {
		names := &profile.Syscalls[i].Names
		*names = slices.DeleteFunc(slices.Clone(*names), func(n string) bool { return slices.Contains(unknown, n) })
	}
	ours, err := Compile(profile, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	newest := newestOf(profile)
	const seed = 20261120
	random := rand.New(rand.NewPCG(seed, 1))
	values := []uint64{0, 1, 2, 3, 8, 0x10, 38, 39, 40, 41, 0x20000, 0x20008, 0xffffffff, unix.CLONE_NEWUSER, unix.CLONE_NEWNS | 17, 1 << 32, 1<<64 - 1}
	cases := 0
	for nr := range newest + 1 {
		for range 200 {
			var args [6]uint64
			for i := range args {
				args[i] = values[random.IntN(len(values))]
			}
			cases++
			got, want := run(t, ours, nr, unix.AUDIT_ARCH_X86_64, args), run(t, theirs, nr, unix.AUDIT_ARCH_X86_64, args)
			if got != want {
				t.Fatalf("call %d %#x: got %#x, libseccomp %#x", nr, args, got, want)
			}
		}
	}
	t.Logf("seed %d: %d decisions alike, %d instructions, libseccomp %d", seed, cases, len(ours), len(theirs))
}

// newestOf is the highest number that the profile names; beyond it the two
// differ on purpose.
func newestOf(p *specs.LinuxSeccomp) uint32 {
	numbers, newest := parseTable(tableX8664), uint32(0)
	for _, s := range p.Syscalls {
		for _, name := range s.Names {
			newest = max(newest, numbers[name])
		}
	}
	return newest
}

// resolver is a program over libseccomp: it reads a processor's name and a call's, and writes its number there.
const resolver = `
#include <seccomp.h>
#include <stdio.h>
int main(void) {
	char arch[32], name[64];
	while (scanf("%31s %63s", arch, name) == 2)
		printf("%s %s %d\n", arch, name, seccomp_syscall_resolve_name_arch(seccomp_arch_resolve_name(arch), name));
	return 0;
}
`

// TestNumbersAgainstLibseccomp wants of every name, of whichever processor it is, and of each in the
// profile, the number that libseccomp knows.
func TestNumbersAgainstLibseccomp(t *testing.T) {
	t.Parallel()
	bin := buildReference(t, resolver)
	tables := map[string]map[string]uint32{
		"x86_64": parseTable(tableX8664), "x86": parseTable(tableI386),
		"aarch64": parseTable(tableAARCH64), "arm": parseTable(tableARM),
	}
	var in strings.Builder
	for arch := range tables {
		for _, other := range tables {
			for name := range other {
				fmt.Fprintln(&in, arch, name)
			}
		}
		for _, s := range defaultProfile(t).Syscalls {
			for _, name := range s.Names {
				fmt.Fprintln(&in, arch, name)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for line := range strings.Lines(string(out)) {
		var arch, name string
		var want int
		if _, err := fmt.Sscan(line, &arch, &name, &want); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if want < 0 { // not a call there, or younger than this libseccomp
			continue
		}
		known++
		if got, ok := tables[arch][name]; !ok || got != uint32(want) {
			t.Errorf("%s of %s: %d (%v), and libseccomp says %d", name, arch, got, ok, want)
		}
	}
	if known < 1000 {
		t.Errorf("libseccomp knew %d calls", known)
	}
}

func buildReference(t *testing.T, source string) string {
	t.Helper()
	if _, err := os.Stat("/usr/include/seccomp.h"); err != nil {
		t.Skip("needs libseccomp-dev to compare with")
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("needs gcc to compare with libseccomp")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ref.c"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "ref")
	if out, err := exec.CommandContext(t.Context(), gcc, "-o", bin, filepath.Join(dir, "ref.c"), "-lseccomp").CombinedOutput(); err != nil {
		t.Skipf("needs a working libseccomp-dev: %v\n%s", err, out)
	}
	return bin
}

// export returns libseccomp's filter, and the names that it does not know.
func export(t *testing.T, bin string, p *specs.LinuxSeccomp) (code []insn, unknown []string) {
	t.Helper()
	var in strings.Builder
	def, err := action(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&in, def)
	ops := []specs.LinuxSeccompOperator{"", specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual}
	for _, s := range p.Syscalls {
		act, err := action(s.Action, s.ErrnoRet)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range s.Names {
			fmt.Fprintln(&in, name, act, len(s.Args))
			for _, a := range s.Args {
				fmt.Fprintln(&in, a.Index, slices.Index(ops, a.Op), a.Value, a.ValueTwo)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Stdin = strings.NewReader(in.String())
	var names strings.Builder
	cmd.Stderr = &names
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("libseccomp: %v\n%s", err, &names)
	}
	for ; len(out) >= 8; out = out[8:] {
		code = append(code, insn{Code: binary.LittleEndian.Uint16(out), Jt: out[2], Jf: out[3], K: binary.LittleEndian.Uint32(out[4:])})
	}
	return code, strings.Fields(names.String())
}
