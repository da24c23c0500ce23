package oci

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/cgroup"
	"cove/sandbox/host"
	"cove/sandbox/sandboxtest"
)

// started is a container that runs a shell command; it is deleted with the test.
func (f *fixture) started(script string) (id string) {
	f.t.Helper()
	id = idOf(f.t)
	f.spec.Process.Args = []string{"sh", "-c", script}
	f.spec.Linux.CgroupsPath = "/" + id
	f.write()
	f.t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	return id
}

// groupOf is the control group of a container of started.
func groupOf(t *testing.T, id string) *cgroup.Group {
	t.Helper()
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	return cgroup.Load(features.Cgroup, id)
}

// statsEvent is what the tests read of a line of events.
type statsEvent struct {
	Type, ID string
	Data     struct {
		CPU    struct{ Usage struct{ Total uint64 } }
		Memory struct {
			Usage struct{ Limit, Usage uint64 }
			Raw   map[string]uint64
		}
		Pids struct{ Current, Limit uint64 }
	}
}

func TestEventsStats(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	memory, pids := int64(64<<20), int64(9)
	f.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
	f.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	id := f.started("sleep 100")
	var e statsEvent
	if err := json.Unmarshal([]byte(f.must("events", "--stats", id)), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != "stats" || e.ID != id || e.Data.CPU.Usage.Total == 0 {
		t.Errorf("%+v", e)
	}
	if m := e.Data.Memory; m.Usage.Limit != uint64(memory) || m.Usage.Usage == 0 || len(m.Raw) == 0 {
		t.Errorf("memory: %+v", m)
	}
	if p := e.Data.Pids; p.Limit != uint64(pids) || p.Current == 0 {
		t.Errorf("pids: %+v", p)
	}
	refused(t, f, "--interval 0s: want more than 0", "events", "--interval", "0s", id)
	f.must("kill", id, "KILL")
	waitFor(t, "the end", func() bool { return f.status(id) == "stopped" })
	refused(t, f, "is not running", "events", "--stats", id)
}

// TestEvents follows a container that the kernel kills a process of, to its end.
func TestEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	memory := int64(16 << 20)
	f.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory, Swap: &memory}
	sandboxtest.Root(t, filepath.Join(f.bundle, "rootfs"), "dd")
	id := f.started("until test -e /go; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 0.3")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ended := make(chan int, 1)
	go func() {
		defer out.Close()
		ended <- Main(context.Background(), []string{"--root", f.root, "events", "--interval", "20ms", id}, os.Stdin, out, os.Stderr)
	}()
	lines := bufio.NewScanner(in)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), `{"type":"stats","id":"`+id+`"`) {
		t.Fatalf("first line: %q", lines.Text())
	}
	if err := os.WriteFile(filepath.Join(f.bundle, "rootfs/go"), []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ooms := 0
	for lines.Scan() {
		if lines.Text() == `{"type":"oom","id":"`+id+`"}` {
			ooms++
		}
	}
	if code := <-ended; code != 0 || ooms != 1 {
		t.Errorf("exit code %d, %d kills told", code, ooms)
	}
}

// TestExecCgroup starts processes in groups below the container's.
func TestExecCgroup(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.started("sleep 100")
	g := groupOf(t, id)
	v2 := false
	if _, err := g.Dir("memory"); err != nil {
		v2 = true
	}
	mkGroup := func(hierarchies ...string) {
		for _, h := range hierarchies {
			dir, err := g.Dir(h)
			if err == nil {
				err = os.Mkdir(filepath.Join(dir, "part"), 0o755)
			}
			if err != nil && !os.IsExist(err) {
				t.Fatal(err)
			}
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // empty, nobody may enter
				if value, err := os.ReadFile(filepath.Join(dir, file)); err == nil && !v2 {
					if err := os.WriteFile(filepath.Join(dir, "part", file), value, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	where := func(args ...string) string {
		return f.must(append(append([]string{"exec"}, args...), id, "cat", "/proc/self/cgroup")...)
	}
	refused(t, f, "part", "exec", "--cgroup", "part", id, "true")
	if v2 {
		mkGroup("") // v2 alone has no name
		if got := where("--cgroup", "part"); !strings.Contains(got, "/part\n") {
			t.Errorf("%q", got)
		}
		refused(t, f, "no controller", "exec", "--cgroup", "memory:part", id, "true")
	} else {
		mkGroup("memory")
		if got := where("--cgroup", "memory:part"); strings.Count(got, "/part\n") != 1 ||
			!strings.Contains(got, ":memory:/") || strings.Contains(got, ":pids:/part") {
			t.Errorf("memory alone: %q", got)
		}
		features, err := host.Detect()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range features.Cgroup.Hierarchies {
			if !h.V2 {
				mkGroup(h.Name)
			}
		}
		if got := where("--cgroup", "part"); strings.Count(got, "/part\n") < 2 {
			t.Errorf("all: %q", got)
		}
		refused(t, f, `unknown controller "nosuch"`, "exec", "--cgroup", "nosuch:part", id, "true")
		refused(t, f, "want one PATH", "exec", "--cgroup", "part", "--cgroup", "memory:part", id, "true")
	}
	refused(t, f, "is not a sub cgroup path", "exec", "--cgroup", "../..", id, "true")
}

// TestSpec runs what spec writes, for root and for a user namespace.
func TestSpec(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{nil, {"--rootless"}} {
		f := newFixture(t)
		f.must(append([]string{"spec", "-b", f.bundle}, more...)...)
		name := filepath.Join(f.bundle, "config.json")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var spec specs.Spec
		if err := json.Unmarshal(data, &spec); err != nil {
			t.Fatal(err)
		}
		if len(spec.Process.Args) != 1 || spec.Process.Args[0] != "sh" || !spec.Process.Terminal {
			t.Errorf("%+v", spec.Process)
		}
		refused(t, f, "exists; remove it first", "spec", "-b", f.bundle)
		f.spec = &spec
		spec.Process.Terminal, spec.Process.Args = false, []string{"sh", "-c", "cat /proc/self/uid_map; id -u; echo > /x"}
		spec.Linux.CgroupsPath = "/" + idOf(t)
		f.write()
		code, out, errs := f.call("run", "-b", f.bundle, idOf(t))
		maps, uid, _ := strings.Cut(out, "\n")
		if code == 0 || uid != "0\n" || !strings.Contains(errs, "Read-only") {
			t.Errorf("%q: %d %q %q", more, code, out, errs)
		}
		if one := strings.HasSuffix(maps, " 1"); one != (more != nil) {
			t.Errorf("%q: mapped %q", more, maps)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	all := f.must("--help")
	if f.must() != all || f.must("help") != all {
		t.Error("help in other words differs")
	}
	for _, c := range commands() {
		if !strings.Contains(all, "\n   "+c.name+" ") {
			t.Errorf("%s is not in the help", c.name)
		}
		one := f.must(c.name, "--help")
		if !strings.HasPrefix(one, "NAME:\n   "+called()+" "+c.name+" - "+c.help+"\n") || f.must("help", c.name) != one {
			t.Errorf("%s --help: %q", c.name, one)
		}
	}
	if exec := f.must("exec", "-h"); !strings.Contains(exec, "-e, --env NAME=VALUE") {
		t.Errorf("%q", exec)
	}
	refused(t, f, "No help topic for 'nosuch'", "nosuch")
	refused(t, f, "No help topic for 'nosuch'", "help", "nosuch")
	refused(t, f, "see cove-runtime run --help", "run", "--nosuch", "x")
}

// TestNotSupported looks for the reason of what runc has and this runtime does not.
func TestNotSupported(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "true")
	f.write()
	for says, args := range map[string][]string{
		"does not use CRIU":      {"checkpoint", "--image-path", "/tmp/x", "web"},
		"checkpoint and restore": {"restore", "web"},
		"Intel RDT":              {"update", "--l3-cache-schema", "L3:0=f", "web"},
		"by itself":              {"--rootless=true", "list"},
	} {
		refused(t, f, says, args...)
	}
	f.spec.Linux.CgroupsPath = "system.slice:cove:" + idOf(t)
	f.write()
	refused(t, f, "--systemd-cgroup", "run", "-b", f.bundle, idOf(t))
	f.spec.Linux.CgroupsPath = "/not/systemd"
	f.write()
	refused(t, f, "slice:prefix:name", "--systemd-cgroup", "run", "-b", f.bundle, idOf(t))
	f.spec.Linux.CgroupsPath = ""
	f.write()
	f.must("run", "--no-subreaper", "-b", f.bundle, idOf(t))
}

// received is what a socket is sent: the name of one file, and the process that it is
// the pidfd of.
func received(t *testing.T, socket string) <-chan string {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		defer l.Close()
		c, err := l.AcceptUnix()
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.Close()
		name, rights := make([]byte, 64), make([]byte, 64)
		n, oobn, _, _, err := c.ReadMsgUnix(name, rights)
		if err != nil {
			got <- err.Error()
			return
		}
		msgs, err := unix.ParseSocketControlMessage(rights[:oobn])
		if err != nil || len(msgs) != 1 {
			got <- "no file came"
			return
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			got <- "no file came"
			return
		}
		defer unix.Close(fds[0])
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fds[0]))
		if err != nil {
			got <- err.Error()
			return
		}
		_, pid, _ := strings.Cut(string(info), "\nPid:\t")
		pid, _, _ = strings.Cut(pid, "\n")
		got <- string(name[:n]) + " " + pid
	}()
	return got
}

// TestPidFDSocket hands the processes of create and exec to whoever listens.
func TestPidFDSocket(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sleep", "100")
	f.write()
	dir, id := t.TempDir(), idOf(t)
	t.Cleanup(func() { f.call("delete", "--force", id) })
	socket, pidFile := filepath.Join(dir, "socket"), filepath.Join(dir, "pid")
	check := func(name string, args ...string) {
		t.Helper()
		got := received(t, socket)
		f.must(args...)
		pid, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		if text := <-got; text != name+" "+string(pid) {
			t.Errorf("sent %q, want %s of %s", text, name, pid)
		}
	}
	check("standard", "create", "-b", f.bundle, "--pid-file", pidFile, "--pidfd-socket", socket, id)
	f.must("start", id)
	check("setns", "exec", "-d", "--pid-file", pidFile, "--pidfd-socket", socket, id, "sleep", "100")
	refused(t, f, "--pidfd-socket", "exec", "--pidfd-socket", filepath.Join(dir, "nosuch"), id, "true")
}
