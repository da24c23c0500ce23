package check

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// TestLinux refuses by name what is wrong in the linux section, or not done here.
func TestLinux(t *testing.T) {
	t.Parallel()
	own := func(s *specs.Spec, typ specs.LinuxNamespaceType) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: typ})
	}
	offsets := map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1}}
	zero, negative := 0, -1
	for says, tt := range map[string]struct {
		kind   error
		change func(*specs.Spec)
	}{
		"linux.mountLabel":         {errdefs.ErrUnsupported, func(s *specs.Spec) { s.Linux.MountLabel = "x" }},
		"process.selinuxLabel":     {errdefs.ErrUnsupported, func(s *specs.Spec) { s.Process.SelinuxLabel = "x" }},
		`personality.domain "BSD"`: {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: "BSD"} }},
		"linux.personality.flags": {errdefs.ErrUnsupported, func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"x"}}
		}},
		"seccomp.listenerPath: SCMP_ACT_NOTIFY needs": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}}
		}},
		"cannot be used for the write syscall": {errdefs.ErrInvalid, func(s *specs.Spec) {
			notify := specs.LinuxSyscall{Names: []string{"mkdir", "write"}, Action: specs.ActNotify}
			s.Linux.Seccomp = &specs.LinuxSeccomp{ListenerPath: "/x", Syscalls: []specs.LinuxSyscall{{}, notify}}
		}},
		"cannot be used as default action": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{ListenerPath: "/x", DefaultAction: specs.ActNotify}
		}},
		"WAIT_KILLABLE_RECV: only with": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{
				ListenerPath: "/x", Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv},
			}
		}},
		"seccomp.listenerMetadata":   {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{ListenerMetadata: "x"} }},
		"shares the host's time":     {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux.TimeOffsets = offsets }},
		"shares the host's user":     {errdefs.ErrInvalid, func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} }},
		"domainname":                 {errdefs.ErrInvalid, func(s *specs.Spec) { s.Hostname, s.Domainname = "", "x"; s.Linux.Namespaces = s.Linux.Namespaces[:1] }},
		`unknown namespace "planet"`: {errdefs.ErrInvalid, func(s *specs.Spec) { own(s, "planet") }},
		"mount is there twice":       {errdefs.ErrInvalid, func(s *specs.Spec) { own(s, specs.MountNamespace) }},
		`path "proc/1/ns/pid"`: {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.PIDNamespace, Path: "proc/1/ns/pid"})
		}},
		"that is joined has its offsets": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace, Path: "/proc/1/ns/time"})
			s.Linux.TimeOffsets = offsets
		}},
		`"realtime": want monotonic or boottime`: {errdefs.ErrInvalid, func(s *specs.Spec) {
			own(s, specs.TimeNamespace)
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {}}
		}},
		"process.user.uid 4294967295":            {errdefs.ErrInvalid, func(s *specs.Spec) { s.Process.User.UID = 1<<32 - 1 }},
		"process.user.gid 4294967295":            {errdefs.ErrInvalid, func(s *specs.Spec) { s.Process.User.GID = 1<<32 - 1 }},
		"process.user.additionalGids 4294967295": {errdefs.ErrInvalid, func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{0, 1<<32 - 1} }},
		"only a proc can be mounted there": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/proc/../proc/", Type: "bind", Source: "/tmp"}}
		}},
		"mount /proc: only a proc can be mounted": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/proc", Type: "bind", Source: "/proc/1/root/tmp"}}
		}},
		"mount /proc/sys: it is inside /proc": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/proc/sys", Type: "tmpfs"}}
		}},
		"mounts[1].destination": {errdefs.ErrInvalid, func(s *specs.Spec) { s.Mounts = []specs.Mount{{Destination: "/a"}, {Type: "tmpfs"}} }},
		"RLIMIT_CPU is there twice": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CPU"}, {Type: "RLIMIT_CORE"}, {Type: "RLIMIT_CPU"}}
		}},
		"hooks.startContainer[1].timeout 0": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/a"}, {Path: "/b", Timeout: &zero}}}
		}},
		"hooks.createRuntime[0].timeout -1": {errdefs.ErrInvalid, func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/a", Timeout: &negative}}}
		}},
	} {
		s := fine()
		tt.change(s)
		err := Spec(s)
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "config.json: ") {
			t.Errorf("%s: %v", says, err)
		}
	}
	fineToo := fine()
	own(fineToo, specs.TimeNamespace)
	fineToo.Linux.TimeOffsets = offsets
	fineToo.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	fineToo.Linux.Seccomp = &specs.LinuxSeccomp{}
	if err := Spec(fineToo); err != nil {
		t.Error(err)
	}
}

// TestIDMap is a mount's own maps, or those of the user namespace that is made.
func TestIDMap(t *testing.T) {
	t.Parallel()
	s := fine()
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 2000, Size: 1}}
	own := []specs.LinuxIDMapping{{HostID: 3000, Size: 1}}
	for name, tt := range map[string]struct {
		mount specs.Mount
		want  [2]uint32 // of the host; 0 for no map
	}{
		"not asked for":    {specs.Mount{Destination: "/m", Options: []string{"rbind"}}, [2]uint32{}},
		"the namespace's":  {specs.Mount{Destination: "/m", Options: []string{"bind", "idmap"}}, [2]uint32{1000, 2000}},
		"and of all below": {specs.Mount{Destination: "/m", Options: []string{"rbind", "ridmap"}}, [2]uint32{1000, 2000}},
		"its own":          {specs.Mount{Destination: "/m", Type: "bind", UIDMappings: own, GIDMappings: own}, [2]uint32{3000, 3000}},
		"its own, of both": {specs.Mount{Destination: "/m", Options: []string{"idmap", "bind"}, UIDMappings: own, GIDMappings: own}, [2]uint32{3000, 3000}},
	} {
		uids, gids := IDMap(s, tt.mount)
		var got [2]uint32
		for i, m := range [][]specs.LinuxIDMapping{uids, gids} {
			if len(m) > 0 {
				got[i] = m[0].HostID
			}
		}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		s.Mounts = []specs.Mount{tt.mount}
		if err := Spec(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
