package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// sleeping is a container that runs, and its ID.
func sleeping(t *testing.T, change func(*fixture)) (f *fixture, id string) {
	t.Helper()
	f = newFixture(t, "sleep", "1000")
	id = idOf(t)
	f.spec.Linux.CgroupsPath = "/" + id
	if change != nil {
		change(f)
	}
	f.write()
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	return f, id
}

// TestFlagsBehind: flags may follow the arguments, but where a command does, which has
// flags of its own.
func TestFlagsBehind(t *testing.T) {
	t.Parallel()
	f, id := sleeping(t, nil)
	f.must("update", id, "--pids-limit", "77")
	if out := f.must("exec", id, "echo", "-n", "--tty", "-t"); out != "--tty -t" {
		t.Errorf("%q", out)
	}
	refused(t, f, "2 arguments given", "state", id, "--", "more")
	refused(t, f, "not defined", "pause", id, "--nothing")
	f.must("kill", id, "--all", "KILL")
	f.must("delete", id, "--force")
}

// TestTerminalLines: what a terminal in the foreground prints ends its lines as a program
// without one does.
func TestTerminalLines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "tty; echo $((6*7))")
	f.spec.Process.Terminal = true
	f.write()
	if code, out, errs := f.call("run", "-b", f.bundle, idOf(t)); code != 0 || out != "/dev/pts/0\n42\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// TestVariableTwice: the last of a name is the only one, and a HOME that is empty is none.
func TestVariableTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "env")
	f.links("env")
	f.spec.Process.Env = []string{"ONE=two", "PATH=/bin", "HOME=/mine", "ONE=", "HOME="}
	f.write()
	if out := f.must("run", "-b", f.bundle, idOf(t)); out != "PATH=/bin\nONE=\nHOME=/\n" {
		t.Errorf("%q", out)
	}
}

// TestStartHookEnvironment: a startContainer hook has the variables of the process unless
// it has some, or none, of its own.
func TestStartHookEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{"unset": {nil, "two"}, "its own": {[]string{"ONE=three"}, "three"}, "empty": {[]string{}, "none"}} {
		f := newFixture(t, "true")
		f.spec.Process.Env = append(f.spec.Process.Env, "ONE=two")
		hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", `echo "${ONE-none}"; exit 1`}, Env: tt.env}
		f.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{hook}}
		f.write()
		if name == "empty" { // which omitempty would not write
			config := filepath.Join(f.bundle, "config.json")
			text, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			text = []byte(strings.Replace(string(text), `"path":"/bin/sh"`, `"env":[],"path":"/bin/sh"`, 1))
			if err := os.WriteFile(config, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, _, errs := f.call("run", "-b", f.bundle, idOf(t)+strconv.Itoa(len(tt.want)))
		if !strings.Contains(errs, "exit code 1: "+tt.want) {
			t.Errorf("%s: %q", name, errs)
		}
	}
}

// TestEveryProcessor: a container has the processors of its group, whatever those of the
// command are that starts it. Not beside other tests: it moves every thread of this process.
func TestEveryProcessor(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("needs two processors")
	}
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	one.Set(0)
	everyThread := func(to *unix.CPUSet) {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				t.Fatal(err)
			}
			_ = unix.SchedSetaffinity(tid, to) // fails for one that has ended
		}
	}
	defer everyThread(&before)
	f, id := sleeping(t, func(*fixture) { everyThread(&one) })
	const mine = "while read k v; do case $k in Cpus_allowed_list:) echo $v;; esac; done < /proc/self/status"
	first, exec := f.must("exec", id, "sh", "-c", strings.Replace(mine, "self", "1", 1)), f.must("exec", id, "sh", "-c", mine)
	for what, got := range map[string]string{"first process": first, "exec": exec} {
		if got == "0\n" || got == "" {
			t.Errorf("%s: processors %q", what, got)
		}
	}
}

// TestMaskedTwice: a path that is to be hidden twice has one mount over it.
func TestMaskedTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "mkdir /p 2>&1; "+mountsOfP)
	if err := os.MkdirAll(filepath.Join(f.bundle, "rootfs/p"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.spec.Linux.MaskedPaths = []string{"/p", "/p/", "/../p"}
	f.write()
	_, out, errs := f.call("run", "-b", f.bundle, idOf(t))
	if n := strings.Count(out, "\n/p "); n != 1 {
		t.Errorf("%d mounts: %q %q", n, out, errs)
	}
}

// TestAmbient: a capability that exec adds is ambient where it is inheritable, and one
// that cannot be is told.
func TestAmbient(t *testing.T) {
	t.Parallel()
	const chown, kill = "CAP_CHOWN", "CAP_KILL"
	f, id := sleeping(t, func(f *fixture) {
		few := []string{kill}
		f.spec.Process.Capabilities = &specs.LinuxCapabilities{
			Bounding: []string{kill, chown}, Permitted: few, Effective: few, Inheritable: []string{kill, chown},
		}
	})
	script := "while read k v; do case $k in CapAmb:) echo $v;; esac; done < /proc/self/status"
	for c, want := range map[string]string{chown: "0000000000000001", "CAP_FOWNER": "0000000000000000"} {
		if out := f.must("exec", "--cap", c, id, "sh", "-c", script); out != want+"\n" {
			t.Errorf("%s: ambient %q, want %s", c, out, want)
		}
	}
	f.spec.Process.Capabilities.Ambient = []string{kill, "CAP_FOWNER"}
	f.spec.Process.Args, f.spec.Linux.CgroupsPath = []string{"sh", "-c", script}, "/"+id+"-told"
	f.write()
	code, out, errs := f.call("run", "-b", f.bundle, id+"-told")
	if code != 0 || out != "0000000000000020\n" || !strings.Contains(errs, "can't raise ambient capability CAP_FOWNER: ") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// TestListed: lists and states have runc's order, and a directory that somebody names is
// there.
func TestListed(t *testing.T) {
	t.Parallel()
	f, id := sleeping(t, func(f *fixture) { f.spec.Annotations = map[string]string{"a": "b"} })
	for _, out := range []string{f.must("list", "--format", "json"), f.must("state", id)} {
		at := -1
		for _, key := range []string{"ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations"} {
			next := strings.Index(out, `"`+key+`"`)
			if next <= at {
				t.Errorf("%s is not behind what comes before it: %s", key, out)
			}
			at = next
		}
		if !json.Valid([]byte(out)) {
			t.Error(out)
		}
	}
	root := f.root
	f.root = filepath.Join(t.TempDir(), "none")
	refused(t, f, "no such file or directory", "list")
	f.root = root // where the container is that goes with the test
}

// TestQuotaBelowALimit: a quota and a period that fit the group above only together are
// taken together.
func TestQuotaBelowALimit(t *testing.T) {
	t.Parallel()
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	if features.Cgroup.Mode == host.CgroupV2 {
		t.Skip("one file has both there")
	}
	above := "/" + idOf(t) + "-above"
	t.Cleanup(func() {
		dirs, err := filepath.Glob("/sys/fs/cgroup/*" + above)
		if err != nil {
			t.Error(err)
		}
		for _, dir := range dirs {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	f, id := sleeping(t, func(f *fixture) { f.spec.Linux.CgroupsPath = above + "/inner" })
	dir, err := cgroup.Load(features.Cgroup, above+"/inner").Dir("cpu")
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "cpu.cfs_quota_us"), []byte("50000"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, quota := range [][2]string{{"100000", "40000"}, {"10000", "3000"}, {"1000000", "500000"}} {
		f.must("update", "--cpu-period", quota[0], "--cpu-quota", quota[1], id)
		for i, file := range []string{"cpu.cfs_period_us", "cpu.cfs_quota_us"} {
			got, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || strings.TrimSpace(string(got)) != quota[i] {
				t.Errorf("%v: %s is %s, %v", quota, file, got, err)
			}
		}
	}
}

// TestSignalNone: 0 asks whether there is a process, whose absence is told in the words that
// containerd looks for; with --all it is no failure.
func TestSignalNone(t *testing.T) {
	t.Parallel()
	f, id := sleeping(t, nil)
	f.must("kill", id, "0")
	f.must("kill", id, "KILL")
	waitFor(t, "the end", func() bool { return f.status(id) == "stopped" })
	for _, signal := range []string{"0", "TERM", "KILL"} {
		refused(t, f, "container not running", "kill", id, signal)
		f.must("kill", "--all", id, signal)
	}
	refused(t, f, "invalid signal", "kill", id, "65")
}

// TestExecDeadline: a policy that a fork would end, or forbid, is that of a joined process.
func TestExecDeadline(t *testing.T) {
	t.Parallel()
	f, id := sleeping(t, nil)
	process := *f.spec.Process
	process.Args = []string{"sleep", "100"}
	for _, s := range []specs.Scheduler{
		{Policy: specs.SchedDeadline, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}, Runtime: 42000, Deadline: 100000, Period: 1000000},
		{Policy: specs.SchedBatch, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}, Nice: 3},
	} {
		process.Scheduler = &s
		file := filepath.Join(t.TempDir(), "pid")
		f.must("exec", "-d", "--pid-file", file, "--process", processFile(t, process), id)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := unix.SchedGetAttr(pid, 0)
		if err != nil || got.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 || got.Nice != s.Nice ||
			s.Runtime != 0 && got.Runtime != s.Runtime ||
			got.Policy != map[specs.LinuxSchedulerPolicy]uint32{specs.SchedDeadline: 6, specs.SchedBatch: 3}[s.Policy] {
			t.Errorf("%s: %+v, %v", s.Policy, got, err)
		}
	}
	process.Scheduler = &specs.Scheduler{Policy: specs.SchedDeadline}
	refused(t, f, "sched_setattr", "exec", "--process", processFile(t, process), id)
}
