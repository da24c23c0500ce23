package task_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/layers/mount"
	"cove/network"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/host"
	"cove/sandbox/sandboxtest"
)

// request is a container that runs a shell command in a root of its own.
func request(t *testing.T, script string) (task.Request, *os.File) {
	t.Helper()
	root, spec := t.TempDir(), sandboxtest.Spec()
	sandboxtest.Root(t, root, "sh")
	spec.Process.Args, spec.Process.Env = []string{"/bin/sh", "-c", script}, nil
	out, theirs, err := task.Pipe(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close(); theirs.Close() })
	id := strings.ToLower(t.Name()) + strconv.Itoa(os.Getpid())
	return task.Request{
		ID: id, Spec: spec, Root: mount.Mount{Type: "bind", Source: root},
		Network: network.Open(t.TempDir()), Net: network.Config{Mode: network.None, Hostname: "box"},
		Files: t.TempDir(), Stdout: theirs,
	}, out
}

// checkGone looks for the container's group.
func checkGone(t *testing.T, id string) {
	t.Helper()
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range features.Cgroup.Hierarchies {
		if _, err := os.Stat(filepath.Join(h.Mount, task.Groups, id)); err == nil {
			t.Errorf("%s: the container's group is left", h.Mount)
		}
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	r, out := request(t, `read name < /etc/hostname; read hosts < /etc/hosts; echo "$name $hosts"; exit 3`)
	created := 0
	r.OnCreated = func(pid int) error { created = pid; return nil }
	k, err := task.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if pids, err := k.Group.Procs(); err != nil || len(pids) != 1 || pids[0] != k.Process.Pid() || created != pids[0] {
		t.Errorf("processes in the group: %v, %v; created %d", pids, err, created)
	}
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	r.Stdout.Close()
	text, err := io.ReadAll(out)
	if err != nil || !strings.HasPrefix(string(text), "box 127.0.0.1") {
		t.Errorf("it wrote %q, %v", text, err)
	}
	if status, err := k.Process.Wait(t.Context()); err != nil || status.Code != 3 {
		t.Errorf("%v, %v", status, err)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	checkGone(t, r.ID)
	if len(r.Spec.Linux.CgroupsPath) > 0 || len(r.Spec.Hostname) > 0 {
		t.Error("the caller's spec was changed")
	}
}

// TestCloseKills ends what runs, and what was only created.
func TestCloseKills(t *testing.T) {
	t.Parallel()
	for _, start := range []bool{false, true} {
		r, _ := request(t, "while :; do :; done")
		k, err := task.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if start {
			if err := k.Start(); err != nil {
				t.Error(err)
			}
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		checkGone(t, r.ID)
	}
}

// TestHostPIDs leaves a process behind, which only a container without a pid
// namespace can.
func TestHostPIDs(t *testing.T) {
	t.Parallel()
	r, out := request(t, "(while :; do :; done) & echo $!")
	spaces := r.Spec.Linux.Namespaces[:0]
	for _, ns := range r.Spec.Linux.Namespaces {
		if ns.Type != specs.PIDNamespace {
			spaces = append(spaces, ns)
		}
	}
	r.Spec.Linux.Namespaces = spaces
	k, err := task.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Start(); err != nil {
		t.Error(err)
	}
	if _, err := k.Process.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	r.Stdout.Close()
	text, err := io.ReadAll(out)
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		t.Errorf("it wrote %q, %v", text, err)
	}
	if cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(cmdline), "while") {
		t.Errorf("process %s is left", pid)
	}
	checkGone(t, r.ID)
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*task.Request)
		code   int
	}{
		"no such program": {func(r *task.Request) { r.Spec.Process.Args = []string{"/nosuch"} }, 127},
		"no program":      {func(r *task.Request) { r.Spec.Process.Args = []string{"/etc"} }, 126},
		"no such network": {func(r *task.Request) { r.Net.Mode = "nosuch" }, 125},
		"bad limit": {func(r *task.Request) {
			r.Spec.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "nosuch"}}
		}, 125},
		"no such source": {func(r *task.Request) {
			r.Spec.Mounts = append(r.Spec.Mounts, specs.Mount{Destination: "/x", Type: "bind", Source: "/no/such", Options: []string{"bind"}})
		}, 125},
		"bad mount": {func(r *task.Request) {
			r.Spec.Mounts = append(r.Spec.Mounts, specs.Mount{Destination: "/x", Type: "nosuchfs"})
		}, 125},
		"failing hook": {func(r *task.Request) { r.OnCreated = func(int) error { return io.ErrNoProgress } }, 125},
	} {
		r, _ := request(t, "true")
		tt.change(&r)
		k, err := task.Create(t.Context(), r)
		if err == nil {
			err = errors.Join(k.Start(), k.Close(context.Background()))
		}
		if start, ok := errors.AsType[*record.StartError](err); !ok || start.Code != tt.code {
			t.Errorf("%s: %v, want a start error of code %d", name, err, tt.code)
		}
		checkGone(t, r.ID)
	}
}
