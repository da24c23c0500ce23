package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// insn is one instruction of classic BPF.
type insn = unix.SockFilter

// maxJump is how far a conditional jump reaches.
const maxJump = 255

func load(offset uint32) insn {
	return insn{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func and(mask uint32) insn {
	return insn{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}
}

func jump(op uint16, k uint32, yes, no uint8) insn {
	return insn{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func always(over int) insn {
	return insn{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(over)}
}

func ret(action uint32) insn {
	return insn{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// Jumps out of one condition, until resolve knows the distances.
const (
	pass = 254
	fail = 255
)

// conditions translates the conditions on arguments of one rule: a list of
// alternatives, each a conjunction. The kernel's libraries cannot require two
// things of one argument; as in runc such conditions become alternatives.
func conditions(args []specs.LinuxSeccompArg, narrow bool) ([][]insn, error) {
	var all [][]insn
	var seen [6]int
	for _, a := range args {
		if a.Index > 5 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "seccomp: argument %d: a system call has six, from 0",
				a.Index)
		}
		seen[a.Index]++
		code, err := condition(a, narrow)
		if err != nil {
			return nil, err
		}
		all = append(all, code)
	}
	for _, n := range seen {
		if n > 1 {
			return all, nil
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	var joined []insn
	for _, code := range all {
		joined = append(joined, passesToEnd(code)...)
	}
	return [][]insn{joined}, nil
}

// passesToEnd turns the jumps to pass into distances to the end of code.
func passesToEnd(code []insn) []insn {
	out := make([]insn, len(code))
	for i, in := range code {
		over := uint8(len(code) - i - 1)
		if isTest(in) {
			if in.Jt == pass {
				in.Jt = over
			}
			if in.Jf == pass {
				in.Jf = over
			}
		}
		out[i] = in
	}
	return out
}

// resolve appends what to do when all tests pass, and makes failing ones jump
// over it.
func resolve(tests []insn, then insn) []insn {
	tests = passesToEnd(tests)
	for i := range tests {
		over := uint8(len(tests) - i)
		if isTest(tests[i]) {
			if tests[i].Jt == fail {
				tests[i].Jt = over
			}
			if tests[i].Jf == fail {
				tests[i].Jf = over
			}
		}
	}
	return append(tests, then)
}

func isTest(in insn) bool {
	return in.Code&7 == unix.BPF_JMP && in.Code&0xf0 != unix.BPF_JA
}

// condition compares one argument, in two halves of 32 bits; narrow
// architectures have only the lower.
func condition(a specs.LinuxSeccompArg, narrow bool) ([]insn, error) {
	low, high := uint32(a.Value), uint32(a.Value>>32)
	offLow := uint32(offArgs + 8*a.Index) // both architectures are little-endian
	offHigh := offLow + 4
	var upper, lower []insn
	switch a.Op {
	case specs.OpEqualTo:
		upper = []insn{load(offHigh), jump(unix.BPF_JEQ, high, 0, fail)}
		lower = []insn{load(offLow), jump(unix.BPF_JEQ, low, pass, fail)}
	case specs.OpNotEqual:
		upper = []insn{load(offHigh), jump(unix.BPF_JEQ, high, 0, pass)}
		lower = []insn{load(offLow), jump(unix.BPF_JEQ, low, fail, pass)}
	case specs.OpGreaterThan, specs.OpGreaterEqual:
		op := uint16(unix.BPF_JGT)
		if a.Op == specs.OpGreaterEqual {
			op = unix.BPF_JGE
		}
		upper = []insn{load(offHigh), jump(unix.BPF_JGT, high, pass, 0), jump(unix.BPF_JEQ, high, 0, fail)}
		lower = []insn{load(offLow), jump(op, low, pass, fail)}
	case specs.OpLessThan, specs.OpLessEqual:
		op := uint16(unix.BPF_JGE)
		if a.Op == specs.OpLessEqual {
			op = unix.BPF_JGT
		}
		upper = []insn{load(offHigh), jump(unix.BPF_JGT, high, fail, 0), jump(unix.BPF_JEQ, high, 0, pass)}
		lower = []insn{load(offLow), jump(op, low, fail, pass)}
	case specs.OpMaskedEqual:
		want := a.ValueTwo
		upper = []insn{load(offHigh), and(high), jump(unix.BPF_JEQ, uint32(want>>32), 0, fail)}
		lower = []insn{load(offLow), and(low), jump(unix.BPF_JEQ, uint32(want), pass, fail)}
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "seccomp: comparison %q: no such operator", a.Op)
	}
	if narrow {
		upper = nil
	}
	return append(upper, lower...), nil
}
