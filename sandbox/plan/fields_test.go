package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/sandbox/plan"
)

// compiled is the text of a container's plan on a host with AppArmor, or the error.
func compiled(t *testing.T, change func(*specs.Spec)) (string, error) {
	t.Helper()
	h := hybrid()
	h.AppArmor = true
	p, err := plan.Compile(docker(change), h)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// TestFields looks for the steps that one field of the spec adds, in their order.
func TestFields(t *testing.T) {
	t.Parallel()
	mode, uid, gid := uint32(0o27), uint32(5), uint32(6)
	for name, tt := range map[string]struct {
		change func(*specs.Spec)
		want   []string
	}{
		"memory policy": {
			func(s *specs.Spec) {
				s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0-1", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}
			},
			[]string{"# memory policy", "set_mempolicy(32770, {0-1}, 65)"},
		},
		"memory policy without nodes": {
			func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal} },
			[]string{"set_mempolicy(4, NULL, 0)"},
		},
		"remount": {
			func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/data", Options: []string{"remount", "ro", "rnosuid"}})
			},
			[]string{"# mount /data", "mount_setattr(", "AT_RECURSIVE", "NOSUID", "mount_setattr(", "RDONLY"},
		},
		"AppArmor": {
			func(s *specs.Spec) { s.Process.ApparmorProfile = "cove-default" },
			[]string{`"/proc/thread-self/attr/apparmor/exec"`, "pivot_root(", `"exec cove-default"`, "execve("},
		},
		"a device's owner": {
			func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, UID: &uid}}
			},
			[]string{`mknodat(`, `"fuse"`, "fchownat(", `"fuse", 5, 4294967295`},
		},
		"a device's group": {
			func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/net/tun", Type: "u", Major: 10, Minor: 200, GID: &gid}}
			},
			[]string{`mkdirat(`, `"net"`, `mknodat(`, `"tun"`, "fchownat(", "4294967295, 6"},
		},
		"umask": {
			func(s *specs.Spec) { s.Process.User.Umask = &mode },
			[]string{"umask(027)", "execve("},
		},
		"a name with dots in a sysctl": {
			func(s *specs.Spec) {
				s.Linux.Sysctl = map[string]string{"net/ipv4/conf/eth0.100/forwarding": "1", "net.ipv4.ip_forward": "1", "kernel.shmmax": "9"}
			},
			[]string{`"/proc/sys/kernel/shmmax"`, `"/proc/sys/net/ipv4/ip_forward"`, `"/proc/sys/net/ipv4/conf/eth0.100/forwarding"`, "pivot_root("},
		},
		"offsets of clocks": {
			func(s *specs.Spec) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
				s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 7}, "monotonic": {Secs: -1, Nanosecs: 5}}
			},
			[]string{"unshare(CLONE_NEWTIME)", `"monotonic -1 5\n"`, `"boottime 7 0\n"`, "setns("},
		},
	} {
		text, err := compiled(t, tt.change)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		rest := text
		for _, want := range tt.want {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%s: no %q where it should be in\n%s", name, want, text)
				break
			}
			rest = after
		}
	}
}

// TestFieldErrors refuses values by the name of their field.
func TestFieldErrors(t *testing.T) {
	t.Parallel()
	policy := func(p specs.LinuxMemoryPolicy) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Linux.MemoryPolicy = &p }
	}
	mounted := func(m specs.Mount) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }
	}
	for says, tt := range map[string]struct {
		change func(*specs.Spec)
		kind   error
	}{
		`linux.memoryPolicy.mode "MPOL_X"`:  {policy(specs.LinuxMemoryPolicy{Mode: "MPOL_X"}), errdefs.ErrInvalid},
		`linux.memoryPolicy.flags "MPOL_Y"`: {policy(specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Flags: []specs.MemoryPolicyFlagType{"MPOL_Y"}}), errdefs.ErrInvalid},
		`linux.memoryPolicy.nodes "3-1"`:    {policy(specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "3-1"}), errdefs.ErrInvalid},
		`"remount" with "size=1"`:           {mounted(specs.Mount{Destination: "/data", Options: []string{"remount", "size=1"}}), errdefs.ErrUnsupported},
		`"tmpcopyup": only for a tmpfs`:     {mounted(specs.Mount{Destination: "/x", Type: "proc", Options: []string{"tmpcopyup"}}), errdefs.ErrInvalid},
		"kernel/hostname": {func(s *specs.Spec) {
			s.Hostname, s.Linux.Namespaces = "", slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UTSNamespace })
			s.Linux.Sysctl = map[string]string{"kernel/hostname": "x"}
		}, errdefs.ErrDenied},
	} {
		if _, err := compiled(t, tt.change); !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestWithoutAppArmor(t *testing.T) {
	t.Parallel()
	spec := docker(func(s *specs.Spec) { s.Process.ApparmorProfile = "cove-default" })
	if _, err := plan.Compile(spec, hybrid()); err == nil || !strings.Contains(err.Error(), `AppArmor profile "cove-default"`) {
		t.Error(err)
	}
}

// TestExecAffinity pins an exec to processors before it joins the control group and
// after (config.md, "execCPUAffinity").
func TestExecAffinity(t *testing.T) {
	t.Parallel()
	spec := docker()
	proc := *spec.Process
	proc.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "0-1,3"}
	p, err := plan.CompileExec(spec, &proc, hybrid())
	if err != nil {
		t.Fatal(err)
	}
	text := p.String()
	first, last := strings.Index(text, "sched_setaffinity(0, 8, {0})"), strings.Index(text, "sched_setaffinity(0, 8, {0-1,3})")
	if join := strings.Index(text, "# join control group"); first < 0 || last < 0 || first > join || last < join {
		t.Errorf("first %d, group %d, last %d in\n%s", first, join, last, text)
	}
	proc.ExecCPUAffinity = &specs.CPUAffinity{Initial: "x"}
	if _, err := plan.CompileExec(spec, &proc, hybrid()); !errors.Is(err, errdefs.ErrInvalid) ||
		!strings.Contains(err.Error(), `process.execCPUAffinity "x"`) {
		t.Error(err)
	}
}

// TestWhatARuntimeSays compiles a mount with each option that the runtime says it knows,
// and a policy with each mode and flag.
func TestWhatARuntimeSays(t *testing.T) {
	t.Parallel()
	options := plan.MountOptions()
	if !slices.IsSorted(options) || len(slices.Compact(slices.Clone(options))) != len(options) {
		t.Errorf("%q", options)
	}
	for _, option := range options {
		m := specs.Mount{Destination: "/x", Type: "bind", Source: "/srv", Options: []string{"rbind", option}}
		if option == "tmpcopyup" {
			m = specs.Mount{Destination: "/x", Type: "tmpfs", Options: []string{option}}
		}
		if strings.HasSuffix(option, "idmap") {
			m.UIDMappings = []specs.LinuxIDMapping{{HostID: 7, Size: 1}}
			m.GIDMappings = m.UIDMappings
		}
		if _, err := compiled(t, func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }); err != nil {
			t.Errorf("option %s: %v", option, err)
		}
	}
	modes, flags := plan.MemoryPolicies()
	for _, mode := range modes {
		for _, flag := range flags {
			p := &specs.LinuxMemoryPolicy{Mode: specs.MemoryPolicyModeType(mode), Flags: []specs.MemoryPolicyFlagType{specs.MemoryPolicyFlagType(flag)}, Nodes: "0"}
			if p.Mode == specs.MpolDefault || p.Mode == specs.MpolLocal {
				p.Nodes = ""
			}
			if _, err := compiled(t, func(s *specs.Spec) { s.Linux.MemoryPolicy = p }); err != nil {
				t.Errorf("%s, %s: %v", mode, flag, err)
			}
		}
	}
}

// TestFilterFlags: a spec that says nothing leaves speculation alone, and the flag of the
// listener comes with the first call that is left to an agent.
func TestFilterFlags(t *testing.T) {
	t.Parallel()
	notify := []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}
	for want, s := range map[uint64]*specs.LinuxSeccomp{
		4:  {},
		0:  {Flags: []specs.LinuxSeccompFlag{}},
		2:  {Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagLog}},
		6:  {Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagLog}},
		12: {Syscalls: notify},
		40: {Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}, Syscalls: notify},
	} {
		if got, err := plan.FilterFlags(s); err != nil || got != want {
			t.Errorf("%v: %d, %v, want %d", s.Flags, got, err, want)
		}
	}
	p, err := compiled(t, func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/x", Syscalls: notify}
	})
	if err != nil || !strings.Contains(p, "SECCOMP_FILTER_FLAG_NEW_LISTENER, {filter}); tell the parent its listener") {
		t.Errorf("%v: %s", err, p)
	}
}

// TestNoPivot covers the host's root: what shows all of proc and sysfs there goes first, a
// root that hooks were to find moves, and nobody pivots.
func TestNoPivot(t *testing.T) {
	t.Parallel()
	h := hybrid()
	h.NoPivot, h.Bare, h.KeepKeyring = true, []string{"/sys", "/proc"}, true
	spec := docker()
	text := func() string {
		p, err := plan.Compile(spec, h)
		if err != nil {
			t.Fatal(err)
		}
		return p.String()
	}
	plain := text()
	bare, chroot := strings.Index(plain, `umount2("/proc", MNT_DETACH)`), strings.Index(plain, `chroot(".")`)
	if bare < 0 || chroot < bare || !strings.Contains(plain, `mount("tmpfs", "/sys", "tmpfs", MS_RDONLY, NULL)`) {
		t.Errorf("unmounted %d, root %d in\n%s", bare, chroot, plain)
	}
	for _, call := range []string{"pivot_root", "keyctl"} {
		if strings.Contains(plain, call+"(") {
			t.Errorf("%s is called", call)
		}
	}
	spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/true"}}}
	spec.Root.Path = "/bundle/rootfs"
	moves := func(text string) int { return strings.Count(text, `, "/", MOVE_MOUNT_F_EMPTY_PATH)`) }
	if hooked := text(); moves(plain) != 1 || moves(hooked) != 1 || !strings.Contains(hooked, `"/bundle/rootfs", MOVE_MOUNT`) {
		t.Errorf("%d and %d moves in\n%s", moves(plain), moves(hooked), hooked)
	}
}
