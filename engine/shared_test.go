package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/host"
)

// left starts a container that stays, and returns it.
func left(t *testing.T, e *Engine, o runspec.Options, command ...string) *runner.Container {
	t.Helper()
	o.Image, o.Command, o.Network = "busybox", command, "none"
	c, err := made(t.Context(), e, containers.CreateOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func namespaceOf(t *testing.T, pid, kind string) string {
	t.Helper()
	name, err := os.Readlink("/proc/" + pid + "/ns/" + kind)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestShared looks at each namespace from inside: the host's, another container's
// or its own.
func TestShared(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	peer := left(t, e, runspec.Options{Shared: record.Shared{IPC: record.Shareable}},
		"sh", "-c", "echo shared > /dev/shm/word; exec sleep 10000")
	state, err := peer.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprint(state.Pid)
	of := record.OfContainer(peer.ID())
	for _, tc := range []struct {
		kind   string
		shared record.Shared
		want   string // whose, by process; "" is its own
	}{
		{"pid", record.Shared{}, ""},
		{"pid", record.Shared{PID: record.Host}, "self"},
		{"pid", record.Shared{PID: of}, pid},
		{"ipc", record.Shared{IPC: record.Private}, ""},
		{"ipc", record.Shared{IPC: record.NoShm}, ""},
		{"ipc", record.Shared{IPC: record.Host}, "self"},
		{"ipc", record.Shared{IPC: of}, pid},
		{"uts", record.Shared{}, ""},
		{"uts", record.Shared{UTS: record.Host}, "self"},
		{"cgroup", record.Shared{Cgroup: record.Private}, ""},
		{"cgroup", record.Shared{Cgroup: record.Host}, "self"},
		{"user", record.Shared{User: record.Host}, "self"},
	} {
		t.Run(fmt.Sprintf("%s %+v", tc.kind, tc.shared), func(t *testing.T) {
			t.Parallel()
			out, _, err := run(t, e, runspec.Options{Shared: tc.shared}, "readlink", "/proc/self/ns/"+tc.kind)
			if err != nil {
				t.Fatal(err, out)
			}
			got := strings.TrimSpace(out)
			for _, whose := range []string{"self", pid} {
				if tc.kind == "user" && whose == pid {
					continue // everyone's is the host's
				}
				if is := got == namespaceOf(t, whose, tc.kind); is != (whose == tc.want) {
					t.Errorf("%s, that of %s: %t", got, whose, is)
				}
			}
		})
	}
	if out, _, err := run(t, e, runspec.Options{Shared: record.Shared{IPC: of}}, "cat", "/dev/shm/word"); out != "shared\n" {
		t.Errorf("the other's shared memory: %q, %v", out, err)
	}
	if out, _, err := run(t, e, runspec.Options{Shared: record.Shared{PID: of}}, "ps"); !strings.Contains(out, "sleep 100") {
		t.Errorf("the other's processes: %q, %v", out, err)
	}
	if out, _, _ := run(t, e, runspec.Options{Shared: record.Shared{IPC: record.NoShm}}, "ls", "/dev/shm"); !strings.Contains(out, "No such file") {
		t.Errorf("/dev/shm with --ipc none: %q", out)
	}
}

func TestSharedRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, tc := range []struct {
		o    runspec.Options
		kind error
		says string
	}{
		{runspec.Options{Shared: record.Shared{PID: "private"}}, errdefs.ErrInvalid, `invalid PID mode "private"`},
		{runspec.Options{Shared: record.Shared{PID: "container:"}}, errdefs.ErrInvalid, "container:NAME"},
		{runspec.Options{Shared: record.Shared{IPC: "container:nobody"}}, errdefs.ErrNotFound, "nobody"},
		{runspec.Options{Shared: record.Shared{UTS: "container:x"}}, errdefs.ErrInvalid, "want host"},
		{runspec.Options{Shared: record.Shared{User: "private"}}, errdefs.ErrInvalid, `invalid USER mode "private": want host, auto`},
		{runspec.Options{Hostname: "x", Shared: record.Shared{UTS: record.Host}}, errdefs.ErrInvalid, "UTS"},
		{runspec.Options{
			Shared:    record.Shared{IPC: record.Host},
			Resources: record.Resources{Sysctls: map[string]string{"kernel.shmmax": "1"}},
		}, errdefs.ErrInvalid, "IPC"},
	} {
		_, _, err := run(t, e, tc.o, "true")
		if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v", tc.o, err)
		}
	}
	stopped := left(t, e, runspec.Options{}, "sleep", "100")
	if err := stopped.Kill(t.Context(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t, e, runspec.Options{Shared: record.Shared{PID: record.OfContainer(stopped.ID())}}, "true")
	if err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("the namespace of one that has ended: %v", err)
	}
}

// TestDevices opens devices from inside, as far as each is allowed.
func TestDevices(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, tc := range []struct {
		name, script, want string
		o                  runspec.Options
	}{
		{
			"read alone", "(: < /dev/other); echo $?; (: > /dev/other); echo $?", "0\n1\n",
			runspec.Options{Devices: []record.Device{{Source: "/dev/fuse", Target: "/dev/other", Access: "r"}}},
		},
		{
			"read and write", "echo x > /dev/deep/in/null; echo $?", "0\n",
			runspec.Options{Devices: []record.Device{{Source: "/dev/null", Target: "/dev/deep/in/null", Access: "rw"}}},
		},
		{
			"a directory", "test -c /dev/all/zero && head -c 3 /dev/all/zero | wc -c", "3\n",
			runspec.Options{Devices: []record.Device{{Source: "/dev", Target: "/dev/all", Access: "rwm"}}},
		},
		{"none", "mknod /tmp/fuse c 10 229; (: < /tmp/fuse); echo $?", "1\n", runspec.Options{}},
		{
			"a rule", "mknod /tmp/fuse c 10 229; (: < /tmp/fuse); echo $?", "0\n",
			runspec.Options{DeviceRules: []string{"c 10:* r"}},
		},
		{"groups", groups, "0 10 4711\n", runspec.Options{Groups: []string{"wheel", "4711"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			out, _, err := run(t, e, tc.o, "sh", "-c", "{ "+tc.script+"; } 2>/tmp/errors")
			if err != nil || out != tc.want {
				t.Errorf("%q, want %q, %v", out, tc.want, err)
			}
		})
	}
	for _, d := range []record.Device{{Source: "/nope", Target: "/nope"}, {Source: "/etc/passwd", Target: "/p"}} {
		if _, _, err := run(t, e, runspec.Options{Devices: []record.Device{d}}, "true"); err == nil ||
			!strings.Contains(err.Error(), "error gathering device information") {
			t.Errorf("%s: %v", d.Source, err)
		}
	}
	if _, _, err := run(t, e, runspec.Options{Groups: []string{"nobodies"}}, "true"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a group that is not there: %v", err)
	}
	o := runspec.Options{Resources: record.Resources{ReadBps: []record.DeviceRate{{Path: "/dev/null", Rate: 1}}}}
	if _, _, err := run(t, e, o, "true"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a limit at what is no block device: %v", err)
	}
}

// TestCgroupParent: the container's group is below the one that was named.
func TestCgroupParent(t *testing.T) {
	t.Parallel()
	parent := "/cove/test-parent"
	t.Cleanup(func() { // it stays, as docker's does
		features, err := host.Detect()
		for _, h := range features.Cgroup.Hierarchies {
			if gone := os.Remove(filepath.Join(h.Mount, parent)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	e := newEngine(t)
	c := left(t, e, runspec.Options{CgroupParent: parent, Annotations: map[string]string{"a": "b"}}, "sleep", "100")
	state, err := c.State(t.Context())
	if err != nil || state.Cgroup != parent+"/"+c.ID() {
		t.Errorf("%s, %v", state.Cgroup, err)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", state.Pid))
	if err != nil || !bytes.Contains(groups, []byte(parent+"/"+c.ID())) {
		t.Errorf("%s, %v", groups, err)
	}
	shown, err := e.InspectContainer(t.Context(), c.ID())
	if err != nil || shown.HostConfig.CgroupParent != parent || shown.HostConfig.Annotations["a"] != "b" {
		t.Errorf("%+v, %v", shown.HostConfig, err)
	}
}

// TestInit: an init of ours reaps, hands signals on, and ends as the program does.
func TestInit(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for script, want := range map[string]int{"exit 5": 5, "kill -9 $$": 137, "true": 0} {
		if out, status, err := run(t, e, runspec.Options{Init: true}, "sh", "-c", script); err != nil || status.Code != want {
			t.Errorf("%s: %+v, %v, %s", script, status, err, out)
		}
	}
	out, status, err := run(t, e, runspec.Options{Init: true}, "no-such-program")
	if err != nil || status.Code != 127 || !strings.Contains(out, "no-such-program") {
		t.Errorf("a program that is not there: %+v, %v, %q", status, err, out)
	}
	// A grandchild whose parent ends is a zombie until PID 1 waits for it.
	const orphan = `sh -c 'sleep 0.1 & echo $! > /tmp/pid'; i=0
while [ -e /proc/$(cat /tmp/pid) ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; [ $i -lt 100 ] && cat /proc/1/comm`
	if out, _, err := run(t, e, runspec.Options{Init: true}, "sh", "-c", orphan); out != "docker-init\n" {
		t.Errorf("the orphan: %q, %v", out, err)
	}
	if out, _, _ := run(t, e, runspec.Options{Init: true}, "sh", "-c", "touch /sbin/docker-init"); !strings.Contains(out, "Read-only") {
		t.Errorf("writing to the host's program: %q", out)
	}
	c := left(t, e, runspec.Options{Init: true}, "sh", "-c", `trap "exit 9" TERM; touch /tmp/ready; while :; do sleep 0.05; done`)
	exec := record.ExecConfig{Args: []string{"sh", "-c", "until [ -e /tmp/ready ]; do sleep 0.05; done"}}
	if _, err := c.Exec(t.Context(), exec, runner.Streams{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if state, err := c.State(t.Context()); err != nil || state.ExitCode != 9 {
		t.Errorf("stopped: %+v, %v", state, err)
	}
	shown, err := e.InspectContainer(t.Context(), c.ID())
	if err != nil || shown.Path != "sh" || shown.HostConfig.Init == nil || !*shown.HostConfig.Init {
		t.Errorf("%s, %v, %v", shown.Path, shown.HostConfig.Init, err)
	}
}
