package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/sandbox"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// rootfs is a directory with a static busybox as every command.
func rootfs(t testing.TB) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: namespaces and mounts")
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs busybox: apt-get install busybox-static")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "etc", "tmp", "proc"} {
		if err := os.Mkdir(dir+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/bin/busybox", busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "true", "cat", "ls", "id", "sleep", "mount", "hostname", "readlink", "grep", "env", "stty", "mkdir", "touch", "chmod", "kill", "ps", "stat", "ip", "tty", "test"} {
		if err := os.Symlink("busybox", dir+"/bin/"+name); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func features(t testing.TB) host.Features {
	t.Helper()
	h, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// baseSpec is what docker runs, without a filter.
func baseSpec(args ...string) *specs.Spec {
	caps := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
	return &specs.Spec{
		Version:  "1.0.2",
		Hostname: "box",
		Root:     &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/bin", "HOME=/"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: "mount"}, {Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "cgroup"}},
			MaskedPaths: []string{
				"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
				"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// result is what a finished container left.
type result struct {
	out, err string
	status   sandbox.WaitStatus
}

// runSpec creates, starts and waits for a container in root.
func runSpec(t testing.TB, root mount.Mount, spec *specs.Spec, change ...func(*sandbox.Request)) (result, error) {
	t.Helper()
	p, err := plan.Compile(spec, features(t))
	if err != nil {
		return result{}, err
	}
	var out, errOut bytes.Buffer
	stdout, stderr := capture(t, &out), capture(t, &errOut)
	req := sandbox.Request{Plan: p, Spec: spec, Root: root, Stdout: stdout.w, Stderr: stderr.w}
	for _, c := range change {
		c(&req)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	proc, err := sandbox.Create(ctx, req)
	stdout.w.Close()
	stderr.w.Close()
	if err != nil {
		return result{}, err
	}
	startErr := proc.Start()
	status, err := proc.Wait(ctx)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	proc.PidFD().Close()
	<-stdout.done
	<-stderr.done
	return result{out.String(), errOut.String(), status}, startErr
}

type pipe struct {
	w    *os.File
	done chan struct{}
}

func capture(t testing.TB, into *bytes.Buffer) pipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := pipe{w, make(chan struct{})}
	go func() {
		defer close(p.done)
		defer r.Close()
		_, _ = io.Copy(into, r)
	}()
	return p
}

func TestRun(t *testing.T) {
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	r, err := runSpec(t, root, baseSpec("sh", "-c", "echo pid $$; hostname; id; cat /proc/self/status | grep Cap; ls /dev; cat /proc/self/cgroup; cat /proc/self/mountinfo; ls -l /proc/self/fd; exit 7"))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.out, r.err)
	if r.status.ExitCode() != 7 {
		t.Errorf("exit code %d, want 7", r.status.ExitCode())
	}
	if !strings.Contains(r.out, "pid 1\nbox\n") {
		t.Errorf("output %q", r.out)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	for name, nnp := range map[string]bool{"privileged loader": false, "no_new_privs": true} {
		for _, uid := range []uint32{0, 1001} {
			spec := baseSpec("sh", "-c", "touch /tmp/a; chmod 700 /tmp/a; echo chmod $?; grep -E 'Seccomp:|NoNewPrivs|CapEff|^Uid' /proc/self/status")
			spec.Process.User.UID = uid
			spec.Process.NoNewPrivileges = nnp
			spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Options: []string{"mode=1777"}})
			spec.Linux.Seccomp = defaultProfile(t, spec)
			spec.Linux.Seccomp.Syscalls = append(spec.Linux.Seccomp.Syscalls[1:1:1], denyChmod(spec.Linux.Seccomp.Syscalls)...)
			r, err := runSpec(t, root, spec)
			if err != nil {
				t.Fatalf("%s, user %d: %v", name, uid, err)
			}
			if !strings.Contains(r.out, "chmod 1\n") || !strings.Contains(r.out, "Seccomp:\t2") {
				t.Errorf("%s, user %d: %s%s", name, uid, r.out, r.err)
			}
			if uid != 0 && !strings.Contains(r.out, "CapEff:\t0000000000000000") {
				t.Errorf("%s, user %d: %s", name, uid, r.out)
			}
		}
	}
}

func defaultProfile(t testing.TB, spec *specs.Spec) *specs.LinuxSeccomp {
	t.Helper()
	p, err := seccomp.Default(spec.Process.Capabilities.Bounding)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// denyChmod takes chmod and its kin out of the calls that are allowed.
func denyChmod(list []specs.LinuxSyscall) []specs.LinuxSyscall {
	var out []specs.LinuxSyscall
	for _, s := range list {
		s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(n string) bool { return strings.Contains(n, "chmod") })
		out = append(out, s)
	}
	return out
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := rootfs(t)
	if err := os.WriteFile(dir+"/bin/data", []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	root := mount.Mount{Type: "bind", Source: dir}
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"nothing"}, 127},
		{[]string{"/bin/nothing"}, 127},
		{[]string{"/bin/data"}, 126},
		{[]string{"data"}, 126},
		{[]string{"/bin"}, 126},
	} {
		_, err := runSpec(t, root, baseSpec(tt.args...))
		step, ok := errors.AsType[*sandbox.StepError](err)
		if !ok || !step.Exec || step.ExitCode() != tt.want {
			t.Errorf("%v: got %v, want exit code %d", tt.args, err, tt.want)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	root := mount.Mount{Type: "bind", Source: rootfs(b)}
	h := features(b)
	for _, filtered := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "seccomp"}[filtered], func(b *testing.B) {
			spec := baseSpec("/bin/true")
			var filter []unix.SockFilter
			if filtered {
				spec.Linux.Seccomp = defaultProfile(b, spec)
				var err error
				if filter, err = seccomp.Compile(spec.Linux.Seccomp, "amd64"); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				p, err := plan.Compile(spec, h)
				if err != nil {
					b.Fatal(err)
				}
				proc, err := sandbox.Create(b.Context(), sandbox.Request{Plan: p, Spec: spec, Root: root, Filter: filter})
				if err != nil {
					b.Fatal(err)
				}
				if err := proc.Start(); err != nil {
					b.Fatal(err)
				}
				if s, err := proc.Wait(b.Context()); err != nil || s.ExitCode() != 0 {
					b.Fatal(s, err)
				}
				proc.PidFD().Close()
			}
		})
	}
}

// profileFor is docker's default profile; it cannot fail.
func profileFor(caps []string) *specs.LinuxSeccomp {
	p, err := seccomp.Default(caps)
	if err != nil {
		panic(err)
	}
	return p
}
