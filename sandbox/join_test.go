package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/sandbox"
	"cove/sandbox/cgroup"
	"cove/sandbox/plan"
)

// group makes a control group that is gone after the test.
func group(t testing.TB, r *specs.LinuxResources) *cgroup.Group {
	t.Helper()
	return newGroup(t, strings.ReplaceAll(t.Name(), "/", "-"), r)
}

// groupNamed is one of many.
func groupNamed(t testing.TB, n int) *cgroup.Group {
	t.Helper()
	return newGroup(t, fmt.Sprintf("many-%d", n), nil)
}

func newGroup(t testing.TB, name string, r *specs.LinuxResources) *cgroup.Group {
	t.Helper()
	g, err := cgroup.Create(features(t).Cgroup, fmt.Sprintf("/cove-test-%d/%s", os.Getpid(), name), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.Kill(ctx); err != nil {
			t.Error(err)
		}
		if err := g.Delete(ctx); err != nil {
			t.Error(err)
		}
		// The parent goes with the last test.
		parent := cgroup.Load(features(t).Cgroup, fmt.Sprintf("/cove-test-%d", os.Getpid()))
		_ = parent.DeleteEmpty()
	})
	return g
}

// running starts a container that sleeps.
func running(t testing.TB, root mount.Mount, spec *specs.Spec, change ...func(*sandbox.Request)) *sandbox.Process {
	t.Helper()
	p, err := plan.Compile(spec, features(t))
	if err != nil {
		t.Fatal(err)
	}
	req := sandbox.Request{Plan: p, Spec: spec, Root: root}
	for _, c := range change {
		c(&req)
	}
	proc, err := sandbox.Create(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = proc.Signal(unix.SIGKILL)
		if _, err := proc.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		proc.PidFD().Close()
	})
	if err := proc.Start(); err != nil {
		t.Fatal(err)
	}
	return proc
}

// join runs a process in a running container to its end.
func join(t testing.TB, target *sandbox.Process, spec *specs.Spec, proc *specs.Process, change ...func(*sandbox.JoinRequest)) (result, error) {
	t.Helper()
	p, err := plan.CompileExec(spec, proc, features(t))
	if err != nil {
		return result{}, err
	}
	var out, errOut bytes.Buffer
	stdout, stderr := capture(t, &out), capture(t, &errOut)
	req := sandbox.JoinRequest{Plan: p, Spec: spec, Target: target.Pid(), PidFD: target.PidFD(), Stdout: stdout.w, Stderr: stderr.w}
	for _, c := range change {
		c(&req)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	joined, err := sandbox.Join(ctx, req)
	stdout.w.Close()
	stderr.w.Close()
	if err != nil {
		return result{}, err
	}
	startErr := joined.Start()
	status, err := joined.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	joined.PidFD().Close()
	<-stdout.done
	<-stderr.done
	return result{out.String(), errOut.String(), status}, startErr
}

func TestJoin(t *testing.T) {
	t.Parallel()
	spec := baseSpec("sleep", "100")
	spec.Linux.Seccomp = defaultProfile(t, spec)
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}})
	g := group(t, nil)
	target := running(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec, func(r *sandbox.Request) { r.Cgroup = g })
	proc := *spec.Process
	proc.Args = []string{"sh", "-c", "echo $$ > /proc/self/oom_score_adj; ps; hostname; cat /proc/self/cgroup; grep -E 'CapEff|Seccomp:|PPid' /proc/self/status; ls /proc/self/fd; exit 3"}
	r, err := join(t, target, spec, &proc, func(r *sandbox.JoinRequest) { r.Cgroup = g })
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.out, r.err)
	if r.status.ExitCode() != 3 {
		t.Errorf("exit code %d, want 3", r.status.ExitCode())
	}
	for _, want := range []string{"box\n", ":/\n", "1 0        sleep 100", "Seccomp:\t2", "CapEff:\t00000000a80425fb", "0\n1\n2\n3\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("output lacks %q", want)
		}
	}
	for line := range strings.Lines(r.out) {
		if _, path, ok := strings.Cut(line, ":/"); ok && strings.TrimSpace(path) != "" && strings.Contains(path, "cove-test") {
			t.Errorf("the group's path on the host shows: %s", line)
		}
	}
	proc.Args = []string{"no-such"}
	if _, err := join(t, target, spec, &proc); err == nil || !strings.Contains(err.Error(), `exec no-such:`) {
		t.Errorf("a missing command: %v", err)
	}
}

func TestJoinTerminal(t *testing.T) {
	t.Parallel()
	spec := baseSpec("sleep", "100")
	target := running(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	proc := *spec.Process
	proc.Terminal = true
	proc.Args = []string{"sh", "-c", "tty; stty size; exit 4"}
	p, err := plan.CompileExec(spec, &proc, features(t))
	if err != nil {
		t.Fatal(err)
	}
	joined, err := sandbox.Join(t.Context(), sandbox.JoinRequest{Plan: p, Spec: spec, Target: target.Pid(), PidFD: target.PidFD(), ConsoleSize: unix.Winsize{Row: 33, Col: 77}})
	if err != nil {
		t.Fatal(err)
	}
	checkTerminal(t, joined, 4)
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	spec := baseSpec("sh", "-c", "tty; stty size; test -c /dev/console && exit 4")
	spec.Process.Terminal = true
	p, err := plan.Compile(spec, features(t))
	if err != nil {
		t.Fatal(err)
	}
	proc, err := sandbox.Create(t.Context(), sandbox.Request{Plan: p, Spec: spec, Root: mount.Mount{Type: "bind", Source: rootfs(t)}, ConsoleSize: unix.Winsize{Row: 33, Col: 77}})
	if err != nil {
		t.Fatal(err)
	}
	checkTerminal(t, proc, 4)
}

func checkTerminal(t *testing.T, proc *sandbox.Process, code int) {
	t.Helper()
	if err := proc.Start(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = out.ReadFrom(proc.Console()) // EIO when the last user is gone
	}()
	status, err := proc.Wait(t.Context())
	<-done
	proc.Console().Close()
	proc.PidFD().Close()
	if err != nil || status.ExitCode() != code {
		t.Errorf("%v, %v, want exit code %d", status, err, code)
	}
	if got := out.String(); got != "/dev/pts/0\r\n33 77\r\n" {
		t.Errorf("output %q", got)
	}
}

// TestJoinMoved joins a container whose processes have left its group, which is gone
// (runc#5089).
func TestJoinMoved(t *testing.T) {
	t.Parallel()
	spec := baseSpec("sleep", "100")
	g := group(t, nil)
	elsewhere := newGroup(t, "moved", nil)
	target := running(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec, func(r *sandbox.Request) { r.Cgroup = g })
	if err := elsewhere.Add(target.Pid()); err != nil {
		t.Fatal(err)
	}
	if err := g.DeleteEmpty(); err != nil {
		t.Fatal(err)
	}
	proc := *spec.Process
	proc.Args = []string{"sleep", "100"}
	p, err := plan.CompileExec(spec, &proc, features(t))
	if err != nil {
		t.Fatal(err)
	}
	joined, err := sandbox.Join(t.Context(), sandbox.JoinRequest{
		Plan: p, Spec: spec, Target: target.Pid(), PidFD: target.PidFD(), Cgroup: g,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer joined.PidFD().Close()
	theirs, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", target.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", joined.Pid()))
	if err != nil || !bytes.Equal(own, theirs) || !strings.Contains(string(own), elsewhere.Path()) {
		t.Errorf("%v: in %s, want %s", err, own, theirs)
	}
	_ = joined.Signal(unix.SIGKILL)
	if _, err := joined.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
