package devices

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func p[T any](v T) *T { return &v }

// TestProgram runs the v2 form of rules through the kernel's verifier
// and a model of it.
func TestProgram(t *testing.T) {
	t.Parallel()
	rules, err := Parse([]specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"},
		{Allow: true, Type: "b", Major: p(int64(8)), Access: "r"},
		{Allow: false, Type: "c", Major: p(int64(1)), Minor: p(int64(9)), Access: "w"},
	})
	if err != nil {
		t.Fatal(err)
	}
	code := compile(rules)
	for _, tt := range []struct {
		kind, access int32
		major, minor uint32
		want         bool
	}{
		{devChar, accRead | accWrite, 1, 3, true},
		{devChar, accMknod, 99, 1, true},
		{devBlock, accMknod, 99, 1, true},
		{devChar, accRead, 99, 1, false},
		{devBlock, accRead, 8, 5, true},
		{devBlock, accRead | accWrite, 8, 5, false},
		{devChar, accRead, 1, 9, true},
		{devChar, accWrite, 1, 9, false},
		{devChar, accRead | accWrite, 1, 9, false},
		{devChar, accRead, 136, 77, true},
		{devChar, accRead | accMknod, 99, 0, false},
	} {
		if got := interpret(t, code, uint32(tt.access<<16|tt.kind), tt.major, tt.minor); got != tt.want {
			t.Errorf("type %d access %d device %d:%d: got %v", tt.kind, tt.access, tt.major, tt.minor, got)
		}
	}
	fd, err := load(code)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("needs CAP_BPF and CONFIG_CGROUP_BPF: %v", err)
	}
	if err != nil {
		t.Fatalf("the kernel's verifier: %v", err)
	}
	unix.Close(fd)
}

// interpret runs the few instructions of eBPF that compile uses.
func interpret(t *testing.T, code []byte, ctx ...uint32) bool {
	t.Helper()
	var r [11]uint64
	for pc := 0; pc*insnLen < len(code); pc++ {
		in := code[pc*insnLen:]
		dst, src := in[1]&15, in[1]>>4
		off := int(int16(binary.LittleEndian.Uint16(in[2:])))
		imm := int32(binary.LittleEndian.Uint32(in[4:]))
		switch in[0] {
		case ldxW:
			r[dst] = uint64(ctx[off/4])
		case mov64K:
			r[dst] = uint64(int64(imm))
		case mov32X:
			r[dst] = uint64(uint32(r[src]))
		case and32K:
			r[dst] = uint64(uint32(r[dst]) & uint32(imm))
		case rsh32K:
			r[dst] = uint64(uint32(r[dst]) >> imm)
		case jneK:
			if r[dst] != uint64(int64(imm)) {
				pc += off
			}
		case jeqK:
			if r[dst] == uint64(int64(imm)) {
				pc += off
			}
		case exitOp:
			return r[0] != 0
		default:
			t.Fatalf("instruction %d: unexpected code %#x", pc, in[0])
		}
	}
	t.Fatal("the program ends without a decision")
	return false
}

func TestAccess(t *testing.T) {
	t.Parallel()
	for access, want := range map[string]string{"": "c 1:11 rwm", "r": "c 1:11 r", "rwa": "c 1:11 rw", "xm": "c 1:11 m"} {
		rules, err := Parse([]specs.LinuxDeviceCgroup{{Type: "c", Major: p(int64(1)), Minor: p(int64(11)), Access: access}})
		if err != nil || len(rules) != 1 || rules[0].String() != want {
			t.Errorf("%q: %v, %v; want %s", access, rules, err, want)
		}
	}
	if _, err := Parse([]specs.LinuxDeviceCgroup{{Type: "c", Access: "xa"}}); err == nil {
		t.Error("an access that says nothing is taken")
	}
}
