// Package seccomp compiles a runtime spec's system call filter to classic BPF.
//
// libseccomp needs 9 to 14 ms for the default profile, the largest single cost
// of a start in other runtimes. Here it is compiled in Go to a binary search
// over system call numbers, and kept on disk by the digest of the profile, so
// that a start costs one small file read.
package seccomp

import (
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// maxFilter is what the kernel takes (BPF_MAXINSNS).
const maxFilter = 4096

// x32Bit marks the system calls of the x32 ABI, which shares amd64's
// identification but not its numbers.
const x32Bit = 0x40000000

// Offsets in struct seccomp_data.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// Compile translates profile for programs of GOARCH arch ("amd64", "arm64").
//
// For each system call an unconditional rule decides; without one, the first of its
// conditional rules that matches; without that, the default action. As in runc,
// calls newer than every one that the profile names return ENOSYS where the
// default would refuse them, so that libraries fall back. Calls of an
// architecture that the profile does not list end the process; those of x32
// return ENOSYS.
func Compile(profile *specs.LinuxSeccomp, arch string) ([]unix.SockFilter, error) {
	native, ok := architectures[arch]
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "seccomp: the processor %s", arch)
	}
	for _, a := range profile.Architectures {
		if !slices.Contains(known, a) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "seccomp: architecture %q: no such architecture", a)
		}
	}
	fallback, err := action(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	sections := []abi{native.native}
	for _, sub := range native.others {
		if slices.Contains(profile.Architectures, sub.name) {
			sections = append(sections, sub)
		}
	}
	code := []insn{load(offArch)}
	for _, s := range sections {
		body, err := section(profile, s, fallback)
		if err != nil {
			return nil, err
		}
		// Over the section if it is another architecture.
		code = append(code, jump(unix.BPF_JEQ, s.audit, 1, 0), always(len(body)))
		code = append(code, body...)
	}
	code = append(code, ret(unix.SECCOMP_RET_KILL_PROCESS))
	if len(code) > maxFilter {
		return nil, errdefs.Errorf(errdefs.ErrExhausted,
			"seccomp: the profile needs %d instructions, the kernel takes %d", len(code), maxFilter)
	}
	return code, nil
}

// section is the code for one architecture.
func section(profile *specs.LinuxSeccomp, a abi, fallback uint32) ([]insn, error) {
	numbers := parseTable(a.table)
	calls := map[uint32]*decision{}
	newest := uint32(0)
	for _, rule := range profile.Syscalls {
		act, err := action(rule.Action, rule.ErrnoRet)
		if err != nil {
			return nil, err
		}
		tests, err := conditions(rule.Args, a.narrow)
		if err != nil {
			return nil, err
		}
		for _, name := range rule.Names {
			nr, known := numbers[name]
			if !known {
				continue // a call of another architecture, or newer than this table
			}
			newest = max(newest, nr)
			if act == fallback {
				continue
			}
			d := calls[nr]
			if d == nil {
				d = &decision{}
				calls[nr] = d
			}
			d.add(act, tests)
		}
	}
	code := []insn{load(offNumber)}
	if a.x32 {
		code = append(code, jump(unix.BPF_JGE, x32Bit, 0, 1), ret(errnoAction(unix.ENOSYS)))
	}
	beyond := fallback
	if refuses(fallback) && len(profile.Syscalls) > 0 {
		beyond = errnoAction(unix.ENOSYS)
	}
	return append(code, search(segments(calls, newest, fallback, beyond))...), nil
}

// refuses reports that an action lets no call through.
func refuses(act uint32) bool {
	switch act & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ERRNO, unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_KILL_THREAD, unix.SECCOMP_RET_TRAP:
		return true
	}
	return false
}

func errnoAction(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// action is the value that a filter returns.
func action(a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	data := uint32(unix.EPERM)
	if errno != nil {
		if *errno > unix.SECCOMP_RET_DATA {
			return 0, errdefs.Errorf(errdefs.ErrInvalid, "seccomp: errno %d of action %s: want at most %d", *errno, a,
				unix.SECCOMP_RET_DATA)
		}
		data = uint32(*errno)
	}
	switch a {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActErrno:
		return unix.SECCOMP_RET_ERRNO | data, nil
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActTrace:
		return unix.SECCOMP_RET_TRACE | data, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActNotify:
		return unix.SECCOMP_RET_USER_NOTIF, nil
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "seccomp: action %q: no such action", a)
}

// decision is what becomes of one system call.
type decision struct {
	rules []conditional
	// fixed is the action of an unconditional rule, if decided.
	fixed   uint32
	decided bool
}

type conditional struct {
	action uint32
	tests  []insn
}

// add adds a rule; several alternatives of tests are as many rules.
func (d *decision) add(act uint32, alternatives [][]insn) {
	if len(alternatives) == 0 {
		if !d.decided {
			d.fixed, d.decided = act, true
		}
		return
	}
	for _, tests := range alternatives {
		d.rules = append(d.rules, conditional{act, tests})
	}
}

// code is what to do once the number is known.
func (d *decision) code(fallback uint32) []insn {
	if d.decided {
		return []insn{ret(d.fixed)}
	}
	var code []insn
	for _, r := range d.rules {
		code = append(code, resolve(r.tests, ret(r.action))...)
	}
	return append(code, ret(fallback))
}

// segment is a run of system calls that are decided alike, up to the next
// segment's first.
type segment struct {
	first uint32
	code  []insn
}

func segments(calls map[uint32]*decision, newest, fallback, beyond uint32) []segment {
	var out []segment
	add := func(nr uint32, code []insn) {
		if n := len(out); n == 0 || !slices.Equal(out[n-1].code, code) {
			out = append(out, segment{nr, code})
		}
	}
	next := uint32(0)
	for _, nr := range slices.Sorted(maps.Keys(calls)) {
		if nr > next {
			add(next, []insn{ret(fallback)})
		}
		add(nr, calls[nr].code(fallback))
		next = nr + 1
	}
	if next <= newest {
		add(next, []insn{ret(fallback)})
	}
	add(newest+1, []insn{ret(beyond)})
	return out
}

// search finds the segment of the number in the accumulator by halving.
func search(s []segment) []insn {
	if len(s) == 1 {
		return s[0].code
	}
	mid := len(s) / 2
	low, high := search(s[:mid]), search(s[mid:])
	var code []insn
	if len(low) <= maxJump {
		code = append(code, jump(unix.BPF_JGE, s[mid].first, uint8(len(low)), 0))
	} else {
		code = append(code, jump(unix.BPF_JGE, s[mid].first, 0, 1), always(len(low)))
	}
	return append(append(code, low...), high...)
}
