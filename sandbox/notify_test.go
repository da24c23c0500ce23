package sandbox_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox"
	"cove/sandbox/plan"
	"cove/sandbox/sandboxtest"
)

// mkdirs are the names of the calls that sandboxtest.Mkdirs has the numbers of.
var mkdirs = []string{"mkdir", "mkdirat"}

// TestSeccompNotify leaves calls to an agent, which is told of the process and answers.
func TestSeccompNotify(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	for name, tt := range map[string]struct {
		calls []string
		flags []specs.LinuxSeccompFlag
		nnp   bool
	}{
		"mkdir":             {calls: mkdirs},
		"no new privileges": {calls: mkdirs, nnp: true},
		"every call of the program's own but write": {calls: []string{
			"mkdir", "mkdirat", "read", "close", "capset", "prctl", "prlimit64", "clone", "execve", "openat", "open",
			"fcntl", "setsid", "exit_group",
		}},
		"flags": {
			calls: mkdirs,
			flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv, specs.LinuxSeccompFlagLog},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := sandboxtest.NewAgent(t, sandboxtest.Mkdirs...)
			spec := baseSpec("sh", "-c", "mkdir /tmp/made; ls /proc/self/fd")
			spec.Process.NoNewPrivileges = tt.nnp
			spec.Linux.Seccomp = agent.Notifying(tt.calls...)
			spec.Linux.Seccomp.Flags = tt.flags
			var pid int
			r, err := runSpec(t, root, spec, func(r *sandbox.Request) {
				r.State = specs.State{Version: "1.2.0", ID: "told", Bundle: "/b"}
				r.OnCreated = func(p int) error { pid = p; return nil }
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(r.err, "No medium found") || r.out != "0\n1\n2\n3\n" {
				t.Errorf("%q %q", r.out, r.err)
			}
			st := <-agent.Told
			want := specs.ContainerProcessState{
				Version: specs.Version, Fds: []string{"seccompFd"}, Pid: pid, Metadata: "opaque",
				State: specs.State{Version: "1.2.0", ID: "told", Status: specs.StateCreating, Pid: pid, Bundle: "/b"},
			}
			if got, expected := fmt.Sprint(st), fmt.Sprint(want); got != expected || pid == 0 {
				t.Errorf("told %s, want %s", got, expected)
			}
		})
	}
}

// TestSeccompNotifyForked has the agent told of the process that runs, where the program that
// loads the filter forks it: before it does, or afterwards.
func TestSeccompNotifyForked(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	agent := sandboxtest.NewAgent(t, sandboxtest.Mkdirs...)
	spec := baseSpec("sleep", "100")
	spec.Linux.Seccomp = agent.Notifying(mkdirs...)
	target := running(t, root, spec)
	if st := <-agent.Told; st.Pid != target.Pid() {
		t.Errorf("told of %d, it is %d", st.Pid, target.Pid())
	}
	proc := *spec.Process
	proc.Args = []string{"mkdir", "/tmp/more"}
	var joined int
	as := func(r *sandbox.JoinRequest) { r.State = specs.State{ID: "told", Status: "running", Pid: target.Pid()} }
	for _, early := range []bool{false, true} {
		if early {
			// The program's own calls wait for the agent, too, which is told of the program.
			spec.Linux.Seccomp.Syscalls[0].Names = []string{"mkdir", "mkdirat", "clone", "capset", "close", "read"}
		}
		r, err := join(t, target, spec, &proc, as)
		if err != nil || !strings.Contains(r.err, "No medium found") {
			t.Fatalf("early %v: %q %v", early, r.err, err)
		}
		st := <-agent.Told
		if st.State.Pid != target.Pid() || st.State.Status != "running" || st.Pid == joined || st.Pid == target.Pid() {
			t.Errorf("early %v: told %+v", early, st)
		}
		joined = st.Pid
	}
	// A container that joins a pid namespace is forked, too.
	other := baseSpec("mkdir", "/tmp/more")
	other.Linux.Namespaces[1].Path = fmt.Sprintf("/proc/%d/ns/pid", target.Pid())
	other.Linux.Seccomp = agent.Notifying(mkdirs...)
	r, err := runSpec(t, root, other)
	if err != nil || !strings.Contains(r.err, "No medium found") {
		t.Fatalf("joined pid namespace: %q %v", r.err, err)
	}
	<-agent.Told
}

// TestSeccompNotifyPid compares what the agent is told of a joined process with its pid.
func TestSeccompNotifyPid(t *testing.T) {
	t.Parallel()
	agent := sandboxtest.NewAgent(t)
	spec := baseSpec("sleep", "100")
	target := running(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	spec.Linux.Seccomp = agent.Notifying("mkdir")
	p, err := plan.CompileExec(spec, spec.Process, features(t))
	if err != nil {
		t.Fatal(err)
	}
	joined, err := sandbox.Join(t.Context(), sandbox.JoinRequest{
		Plan: p, Spec: spec, Target: target.Pid(), PidFD: target.PidFD(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer joined.PidFD().Close()
	if st := <-agent.Told; st.Pid != joined.Pid() {
		t.Errorf("told of %d, it is %d", st.Pid, joined.Pid())
	}
	_ = joined.Signal(unix.SIGKILL)
	if _, err := joined.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSeccompNotifyNobody fails where no agent takes the listener, and leaves no process; one
// that goes away leaves calls that are not implemented.
func TestSeccompNotifyNobody(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	full := filepath.Join(t.TempDir(), "full")
	for name, path := range map[string]string{
		"no socket": filepath.Join(t.TempDir(), "none"), "abstract": "@cove-test-nobody", "a directory": t.TempDir(),
		"no path that the kernel takes": full + strings.Repeat("x", 108),
	} {
		spec := baseSpec("true")
		spec.Linux.Seccomp = (&sandboxtest.Agent{Path: path}).Notifying("mkdir")
		_, err := runSpec(t, root, spec)
		if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "failed to connect with seccomp agent") {
			t.Errorf("%s: %v", name, err)
		}
	}
	target := running(t, root, baseSpec("sleep", "100"))
	spec := baseSpec("true")
	spec.Linux.Seccomp = (&sandboxtest.Agent{Path: full}).Notifying("mkdir")
	if _, err := join(t, target, spec, spec.Process); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("exec: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: full, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.AcceptUnix(); err == nil {
			_, _ = c.Read(make([]byte, 1)) // what is sent beside it, the listener, is closed
			c.Close()
		}
	}()
	spec = baseSpec("mkdir", "/tmp/made")
	spec.Linux.Seccomp = (&sandboxtest.Agent{Path: full}).Notifying(mkdirs...)
	r, err := runSpec(t, root, spec)
	if err != nil || !strings.Contains(r.err, "Function not implemented") {
		t.Errorf("agent gone: %q %v", r.err, err)
	}
	if _, err := os.Stat(root.Source + "/tmp/made"); err == nil {
		t.Error("made")
	}
}
