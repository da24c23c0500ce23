package devices

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// On v2 access to devices is decided by an eBPF program at the group. It sees
// struct bpf_cgroup_dev_ctx {u32 access_type, major, minor}, access_type being
// the access in its upper and the type of device in its lower half.

// Types and accesses of linux/bpf.h.
const (
	devBlock = 1
	devChar  = 2

	accMknod = 1
	accRead  = 2
	accWrite = 4
)

// insn is struct bpf_insn.
func insn(code, dst, src byte, off int16, imm int32) []byte {
	b := []byte{code, src<<4 | dst}
	b = binary.NativeEndian.AppendUint16(b, uint16(off))
	return binary.NativeEndian.AppendUint32(b, uint32(imm))
}

// Opcodes, named as in linux/bpf.h.
const (
	ldxW    = 0x61 // BPF_LDX|BPF_MEM|BPF_W
	mov64K  = 0xb7
	mov32X  = 0xbc
	and32K  = 0x54
	rsh32K  = 0x74
	jneK    = 0x55
	exitOp  = 0x95
	insnLen = 8
)

// compile compiles rules: the last that matches decides, none denies.
//
//	r2 = type, r3 = access, r4 = major, r5 = minor
func compile(rules []Rule) []byte {
	var p []byte
	p = append(p, insn(ldxW, 2, 1, 0, 0)...)
	p = append(p, insn(mov32X, 3, 2, 0, 0)...)
	p = append(p, insn(and32K, 2, 0, 0, 0xffff)...)
	p = append(p, insn(rsh32K, 3, 0, 0, 16)...)
	p = append(p, insn(ldxW, 4, 1, 4, 0)...)
	p = append(p, insn(ldxW, 5, 1, 8, 0)...)
	for i := len(rules) - 1; i >= 0; i-- {
		p = append(p, ruleProgram(rules[i])...)
		if rules[i].kind == 'a' {
			return p // the verifier refuses what cannot be reached
		}
	}
	p = append(p, insn(mov64K, 0, 0, 0, 0)...)
	return append(p, insn(exitOp, 0, 0, 0, 0)...)
}

// ruleProgram returns the rule's decision, or falls through to the next rule.
func ruleProgram(r Rule) []byte {
	var tests [][]byte
	if r.kind != 'a' {
		kind := int32(devChar)
		if r.kind == 'b' {
			kind = devBlock
		}
		tests = append(tests, insn(jneK, 2, 0, 0, kind))
		if mask := accessMask(r.access); mask != accMknod|accRead|accWrite {
			// Every access that is asked for must be among the rule's; a denial
			// matches when any is.
			tests = append(tests, accessTest(r.Allow, mask)...)
		}
		if r.major != every {
			tests = append(tests, insn(jneK, 4, 0, 0, int32(r.major)))
		}
		if r.minor != every {
			tests = append(tests, insn(jneK, 5, 0, 0, int32(r.minor)))
		}
	}
	decision := int32(0)
	if r.Allow {
		decision = 1
	}
	const decisionLen = 2
	var p []byte
	for i, t := range tests {
		if t[0] == jneK || t[0] == jeqK {
			binary.NativeEndian.PutUint16(t[2:], uint16(len(tests)-i-1+decisionLen))
		}
		p = append(p, t...)
	}
	p = append(p, insn(mov64K, 0, 0, 0, decision)...)
	return append(p, insn(exitOp, 0, 0, 0, 0)...)
}

const jeqK = 0x15

// accessTest leaves the rule if the access in r3 does not match mask.
func accessTest(allow bool, mask int32) [][]byte {
	if allow {
		return [][]byte{insn(mov32X, 1, 3, 0, 0), insn(and32K, 1, 0, 0, ^mask&7), insn(jneK, 1, 0, 0, 0)}
	}
	return [][]byte{insn(mov32X, 1, 3, 0, 0), insn(and32K, 1, 0, 0, mask), insn(jeqK, 1, 0, 0, 0)}
}

func accessMask(access string) int32 {
	var mask int32
	for _, a := range []struct {
		letter string
		bit    int32
	}{{"m", accMknod}, {"r", accRead}, {"w", accWrite}} {
		if strings.Contains(access, a.letter) {
			mask |= a.bit
		}
	}
	return mask
}

// Attach loads the rules and attaches them to the group's directory,
// whose removal detaches them.
func Attach(dir string, rules []Rule) error {
	prog, err := load(compile(rules))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: device rules: loading the program: %w", err)
	}
	defer unix.Close(prog)
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cgroup: %s: %w", dir, err)
	}
	defer unix.Close(fd)
	attr := struct{ target, prog, kind, flags uint32 }{
		uint32(fd), uint32(prog), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI,
	}
	if _, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: device rules: attaching the program to %s: %w", dir, err)
	}
	return nil
}

func load(code []byte) (int, error) {
	license := []byte("Apache-2.0\x00")
	attr := struct {
		kind, count    uint32
		insns, license uint64
		logLevel, size uint32
		logBuf         uint64
		kernel, flags  uint32
	}{
		kind: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(code) / insnLen),
		insns: uint64(uintptr(unsafe.Pointer(&code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	return fd, err
}

func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EAGAIN, unix.EINTR:
		default:
			return -1, errno
		}
	}
}
