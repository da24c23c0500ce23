package seccomp

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// TestLoad reads a profile whose rules depend on what the process may do.
func TestLoad(t *testing.T) {
	t.Parallel()
	const text = `{
		"defaultAction": "SCMP_ACT_ERRNO",
		"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}],
		"syscalls": [
			{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
			{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
			{"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}
		]
	}`
	newer := unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS) // a call beyond all that the rules name
	for _, tt := range []struct {
		caps  []string
		calls map[uint32]uint32
	}{
		{nil, map[uint32]uint32{0: allow, 1: allow, 2: eperm, 161: allow, 165: newer}},
		{[]string{"CAP_SYS_ADMIN"}, map[uint32]uint32{0: allow, 165: allow, 161: eperm}},
	} {
		p, err := Load([]byte(text), tt.caps)
		if err != nil {
			t.Fatal(err)
		}
		code, err := Compile(p, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		for nr, want := range tt.calls {
			if got := run(t, code, nr, unix.AUDIT_ARCH_X86_64, [6]uint64{}); got != want {
				t.Errorf("with %v: call %d: %#x, want %#x", tt.caps, nr, got, want)
			}
		}
	}
	for _, text := range []string{"", "{", `{"defaultAction": 7}`, `[]`} {
		if _, err := Load([]byte(text), nil); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
