package plan_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hybrid is a host of the plans below: v1 controllers beside an empty v2.
func hybrid() host.Features {
	h := host.Features{
		Kernel: host.Version{Major: 6, Minor: 18}, Capabilities: 1<<41 - 1, LastCapability: 40,
		Cgroup: host.Cgroup{Mode: host.CgroupHybrid, Hierarchies: []host.Hierarchy{
			{Name: "cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}, Mount: "/sys/fs/cgroup/cpu,cpuacct"},
			{Name: "memory", Controllers: []string{"memory"}, Mount: "/sys/fs/cgroup/memory"},
			{Name: "unified", Mount: "/sys/fs/cgroup/unified", V2: true},
		}},
	}
	h.Landlock = 5
	for i := range h.Rlimits {
		h.Rlimits[i] = unix.Rlimit{Cur: 1024, Max: 4096}
	}
	return h
}

func v2() host.Features {
	h := hybrid()
	h.Cgroup = host.Cgroup{Mode: host.CgroupV2, Hierarchies: []host.Hierarchy{{Controllers: []string{"memory"}, Mount: "/sys/fs/cgroup", V2: true}}}
	return h
}

var caps = []string{"CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"}

// docker is what docker run makes, in short.
func docker(change ...func(*specs.Spec)) *specs.Spec {
	s := &specs.Spec{
		Version: "1.0.2", Hostname: "box", Root: &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Args: []string{"redis-server", "--port", "6379"}, Cwd: "/data", Env: []string{"PATH=/usr/bin:/bin", "HOME=/root"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}},
			{Destination: "/data", Type: "bind", Source: "/srv/redis", Options: []string{"rbind", "rprivate"}},
		},
		Linux: &specs.Linux{
			CgroupsPath:   "/cove/1",
			Namespaces:    []specs.LinuxNamespace{{Type: "mount"}, {Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "cgroup"}},
			MaskedPaths:   []string{"/proc/kcore", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/sys"},
			Seccomp:       &specs.LinuxSeccomp{DefaultAction: specs.ActErrno},
		},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func TestGolden(t *testing.T) {
	t.Parallel()
	mode, umask := os.FileMode(0o600), uint32(0o27)
	for name, tt := range map[string]struct {
		spec *specs.Spec
		host host.Features
		exec *specs.Process
	}{
		"docker":    {spec: docker(), host: hybrid()},
		"docker-v2": {spec: docker(), host: v2()},
		"terminal": {spec: docker(func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Process.Args = []string{"/bin/sh"}
		}), host: v2()},
		"user": {spec: docker(func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 999, GID: 998, AdditionalGids: []uint32{20, 30}, Umask: &umask}
			s.Process.NoNewPrivileges = true
			s.Process.Capabilities.Ambient = []string{"CAP_KILL"}
			s.Process.Capabilities.Inheritable = []string{"CAP_KILL"}
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
			s.Root.Readonly = true
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.shmmax": "1"}
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: &mode}}
		}), host: v2()},
		"files-allowed": {spec: docker(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/run", Type: "tmpfs", Source: "tmpfs"})
			s.Annotations = map[string]string{plan.FilesAllowed: "ro /usr\nrw /data\n"}
		}), host: v2()},
		"userns": {spec: docker(func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
			s.Linux.GIDMappings = s.Linux.UIDMappings
		}), host: v2()},
		"shared": {spec: docker(func(s *specs.Spec) {
			s.Linux.Namespaces[1].Path = "/proc/7/ns/pid"
			s.Linux.Namespaces[2].Path = "/proc/7/ns/net"
		}), host: v2()},
		"hooks": {spec: docker(func(s *specs.Spec) {
			timeout := 5
			s.Root.Path = "/bundle/rootfs"
			s.Hooks = &specs.Hooks{
				CreateContainer: []specs.Hook{{Path: "/usr/bin/mounts", Args: []string{"mounts", "-a"}, Env: []string{"A=b"}, Timeout: &timeout}},
				StartContainer:  []specs.Hook{{Path: "/sbin/ldconfig"}},
			}
		}), host: v2()},
		"joined-user": {spec: docker(func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user", Path: "/proc/7/ns/user"})
		}), host: v2()},
		"shared-mounts": {spec: docker(func(s *specs.Spec) {
			s.Root.Path = "/bundle/rootfs"
			s.Linux.Namespaces = s.Linux.Namespaces[1:]
		}), host: v2()},
		"scheduling": {spec: docker(func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "time"})
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 5}}
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0,2-3"}
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5}
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
		}), host: v2()},
		"exec": {spec: docker(), host: hybrid(), exec: &specs.Process{
			Args: []string{"redis-cli"}, Cwd: "/", Env: []string{"PATH=/bin"}, Terminal: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *plan.Plan
			var err error
			if tt.exec != nil {
				p, err = plan.CompileExec(tt.spec, tt.exec, tt.host)
			} else {
				p, err = plan.Compile(tt.spec, tt.host)
			}
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, p.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".plan")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("-want +got; run with -update if it is meant:\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*specs.Spec)
		kind   error
		text   string
	}{
		"no process":       {func(s *specs.Spec) { s.Process = nil }, errdefs.ErrInvalid, "no process"},
		"no command":       {func(s *specs.Spec) { s.Process.Args = nil }, errdefs.ErrInvalid, "no command"},
		"relative cwd":     {func(s *specs.Spec) { s.Process.Cwd = "data" }, errdefs.ErrInvalid, "absolute"},
		"no root":          {func(s *specs.Spec) { s.Root = nil }, errdefs.ErrInvalid, "no root"},
		"no mounts of own": {func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] }, errdefs.ErrInvalid, "mount namespace"},
		"rlimit":           {func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_FUN"}} }, errdefs.ErrInvalid, "RLIMIT_FUN"},
		"rlimit soft>hard": {func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CPU", Soft: 2, Hard: 1}} }, errdefs.ErrInvalid, "above"},
		"sysctl of host":   {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.core_pattern": "|/x"} }, errdefs.ErrDenied, "whole host"},
		"sysctl dots":      {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net/../kernel/core_pattern": "|/x"} }, errdefs.ErrInvalid, "not a name"},
		"sysctl, host net": {func(s *specs.Spec) {
			s.Hostname, s.Linux.Namespaces = "", s.Linux.Namespaces[:2]
			s.Linux.Sysctl = map[string]string{"net.core.somaxconn": "1"}
		}, errdefs.ErrDenied, "network"},
		"device":          {func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "z"}} }, errdefs.ErrInvalid, "type"},
		"relative source": {func(s *specs.Spec) { s.Mounts[4].Source = "x" }, errdefs.ErrInvalid, "absolute"},
		"user without maps": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
		}, errdefs.ErrInvalid, "uidMappings"},
		"cut argument":    {func(s *specs.Spec) { s.Process.Args = []string{"sh", "a\x00b"} }, errdefs.ErrInvalid, `exec: "a\x00b"`},
		"cut variable":    {func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "A=b\x00c") }, errdefs.ErrInvalid, "zero byte"},
		"cut destination": {func(s *specs.Spec) { s.Mounts[1].Destination = "/etc\x00/m" }, errdefs.ErrInvalid, "zero byte"},
		"cut data":        {func(s *specs.Spec) { s.Mounts[1].Options = []string{"size=1k\x00m"} }, errdefs.ErrInvalid, "zero byte"},
		"cut hostname":    {func(s *specs.Spec) { s.Hostname = "a\x00" }, errdefs.ErrInvalid, "zero byte"},
		"cut mask":        {func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/k\x00"} }, errdefs.ErrInvalid, "zero byte"},
		"cut directory":   {func(s *specs.Spec) { s.Process.Cwd = "/a\x00" }, errdefs.ErrInvalid, "zero byte"},
		"notify":          {func(s *specs.Spec) { s.Linux.Seccomp.Syscalls = []specs.LinuxSyscall{{Action: specs.ActNotify}} }, errdefs.ErrInvalid, "listenerPath"},
		"a filter's flag": {func(s *specs.Spec) { s.Linux.Seccomp.Flags = []specs.LinuxSeccompFlag{"FUN"} }, errdefs.ErrUnsupported, "FUN"},
		"propagation":     {func(s *specs.Spec) { s.Linux.RootfsPropagation = "wild" }, errdefs.ErrInvalid, "wild"},
	} {
		_, err := plan.Compile(docker(tt.change), hybrid())
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	limited := hybrid()
	limited.Capabilities &^= 1 << unix.CAP_SYS_RESOURCE
	spec := docker(func(s *specs.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 5000, Hard: 5000}}
	})
	if _, err := plan.Compile(spec, limited); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("a limit above the caller's: %v", err)
	}
	if _, err := plan.Compile(spec, hybrid()); err != nil {
		t.Errorf("a limit raised with CAP_SYS_RESOURCE: %v", err)
	}
}

// TestOrder holds the order that safety depends on.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, exec := range []bool{false, true} {
		spec := docker()
		p, err := plan.Compile(spec, hybrid())
		if exec {
			p, err = plan.CompileExec(spec, spec.Process, hybrid())
		}
		if err != nil {
			t.Fatal(err)
		}
		at := func(call string) int {
			last := -1
			for i := range p.Steps {
				if p.Steps[i].Call == call {
					last = i
				}
			}
			return last
		}
		order := []string{"setns", "pivot_root", "setresuid", "close_range", "seccomp", "clone", "execve"}
		for i, earlier := range order {
			for _, later := range order[i+1:] {
				if a, b := at(earlier), at(later); a >= 0 && b >= 0 && a > b {
					t.Errorf("exec %v: %s comes after %s", exec, earlier, later)
				}
			}
		}
		if exec != p.Forks || (at("clone") >= 0) != exec {
			t.Errorf("exec %v: forks: %v", exec, p.Forks)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("/proc", "proc", "ro", "/a/../b", "net.core.somaxconn")
	f.Add("../..", "bind", "rbind", "", "a//b")
	f.Fuzz(func(t *testing.T, dest, fstype, option, path, sysctl string) {
		spec := docker(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: dest, Type: fstype, Source: path, Options: []string{option}})
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, path)
			s.Linux.Sysctl = map[string]string{sysctl: "1"}
			s.Process.Cwd = path
		})
		p, err := plan.Compile(spec, hybrid())
		if err != nil {
			return
		}
		for i := range p.Steps {
			s := &p.Steps[i]
			if i+1+max(s.OnOK, s.OnError) > len(p.Steps) {
				t.Errorf("step %d jumps out of the plan", i)
			}
			for _, a := range s.Args {
				if s.Call == "mkdirat" && a.Kind == plan.String && (strings.Contains(a.Str, "/") || a.Str == "..") {
					t.Errorf("mkdirat of %q", a.Str)
				}
			}
		}
	})
}
