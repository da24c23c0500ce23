package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/seccomp"
)

// hookKinds are the runtime spec's, in the order in which they run.
var hookKinds = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

// hooksOf is the list of a kind.
func hooksOf(h *specs.Hooks, kind string) *[]specs.Hook {
	return map[string]*[]specs.Hook{
		"prestart":      &h.Prestart, //nolint:staticcheck // still configured
		"createRuntime": &h.CreateRuntime, "createContainer": &h.CreateContainer,
		"startContainer": &h.StartContainer, "poststart": &h.Poststart, "poststop": &h.Poststop,
	}[kind]
}

// shell is a hook that runs a script.
func shell(script string) specs.Hook {
	path := "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{path}}
}

// probe writes down what a process is: one "key value" a line, in $1.
const probe = `
for ns in mnt pid net ipc uts cgroup user; do echo "$ns $(readlink /proc/self/ns/$ns)"; done >$1
while read k v; do
	case $k in Cap*|NoNewPrivs:|Seccomp:|Uid:|Gid:|Groups:) echo "$k $v";; esac
done </proc/self/status >>$1
echo "cwd $(pwd)" >>$1
echo "umask $(umask)" >>$1
echo "env $(env | sort | tr '\n' ' ')" >>$1
echo "fds $(ls /proc/self/fd | tr '\n' ' ')" >>$1
echo "state $(cat)" >>$1
`

// facts reads what a probe wrote.
func facts(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		got[key] = value
	}
	return got
}

// hookProbes runs a container whose hooks of all kinds, and whose process, are
// probes. Their results are by the kind, the process's under "process".
func hookProbes(t *testing.T) (f *fixture, results map[string]map[string]string) {
	t.Helper()
	f = newFixture(t, "sh", "-c", probe, "sh", "/tmp/process")
	root := filepath.Join(f.bundle, "rootfs")
	for _, name := range []string{"readlink", "env", "sort", "tr", "ls", "umask"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o1777); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.spec.Linux.Seccomp, err = seccomp.Default(f.spec.Process.Capabilities.Bounding); err != nil {
		t.Fatal(err)
	}
	f.spec.Process.NoNewPrivileges = true
	f.spec.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{1001, 1002}}
	f.spec.Process.Cwd = "/root"
	f.spec.Annotations = map[string]string{"note": "kept"}
	dir := t.TempDir()
	f.spec.Hooks = &specs.Hooks{}
	for _, kind := range hookKinds {
		to := filepath.Join(dir, kind)
		if kind == "startContainer" {
			to = "/tmp/startContainer"
		}
		*hooksOf(f.spec.Hooks, kind) = []specs.Hook{{
			Path: "/bin/sh", Args: []string{"sh", "-c", probe, "sh", to},
			Env: []string{"PATH=/usr/bin:/bin", "KIND=" + kind},
		}}
	}
	f.write()
	if code, out, errs := f.call("run", "-b", f.bundle, "c-probes"); code != 0 {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	results = map[string]map[string]string{"process": facts(t, filepath.Join(root, "tmp/process"))}
	for _, kind := range hookKinds {
		at := filepath.Join(dir, kind)
		if kind == "startContainer" {
			at = filepath.Join(root, "tmp/startContainer")
		}
		results[kind] = facts(t, at)
	}
	return f, results
}

// TestHookTable holds each kind of hook to the table of the runtime spec's
// config.md: where it runs, and what it is told.
func TestHookTable(t *testing.T) {
	t.Parallel()
	f, got := hookProbes(t)
	namespaces := []string{"mnt", "pid", "net", "ipc", "uts", "cgroup", "user"}
	confined := []string{
		"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Uid:", "Gid:", "Groups:", "cwd", "umask",
	}
	host := map[string]string{}
	for _, ns := range namespaces {
		host[ns], _ = os.Readlink("/proc/self/ns/" + ns)
	}
	for _, kind := range hookKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			is, inside := got[kind], kind == "createContainer" || kind == "startContainer"
			for _, ns := range namespaces {
				want := host[ns]
				if inside {
					want = got["process"][ns]
				}
				if is[ns] != want {
					t.Errorf("%s namespace: %s, want %s", ns, is[ns], want)
				}
			}
			for _, key := range confined {
				if kind == "startContainer" && is[key] != got["process"][key] {
					t.Errorf("%s %s, the process has %s", key, is[key], got["process"][key])
				}
			}
			if kind == "createContainer" && is["cwd"] != filepath.Join(f.bundle, "rootfs") {
				t.Errorf("cwd %s", is["cwd"])
			}
			if !strings.Contains(is["env"], "KIND="+kind+" ") || strings.Contains(is["env"], "HOME=") {
				t.Errorf("environment %q", is["env"])
			}
			if is["fds"] != "0 1 2 3 " { // 3 is the directory that ls reads
				t.Errorf("descriptors %q", is["fds"])
			}
			checkState(t, f, kind, is["state"])
		})
	}
	if want := "2"; got["startContainer"]["Seccomp:"] != want || got["startContainer"]["NoNewPrivs:"] != "1" {
		t.Errorf("startContainer: %v", got["startContainer"])
	}
}

// checkState holds what a hook of a kind reads on its standard input.
func checkState(t *testing.T, f *fixture, kind, text string) {
	t.Helper()
	var st specs.State
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		t.Fatalf("state %q: %v", text, err)
	}
	status := map[string]specs.ContainerState{
		"startContainer": "created", "poststart": "running", "poststop": "stopped",
	}[kind]
	if status == "" {
		status = "creating"
	}
	if st.Status != status || st.ID != "c-probes" || st.Bundle != f.bundle ||
		st.Version == "" || st.Annotations["note"] != "kept" {
		t.Errorf("state %+v", st)
	}
	switch inside := kind == "createContainer" || kind == "startContainer"; {
	case inside && st.Pid != 1, !inside && kind != "poststop" && st.Pid <= 1, kind == "poststop" && st.Pid != 0:
		t.Errorf("pid %d", st.Pid)
	}
}

// TestHookMounts holds that what a createContainer hook makes below the root is
// the container's, and never the host's.
func TestHookMounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "cat /mnt/marker /mnt2/marker; echo seen")
	root := filepath.Join(f.bundle, "rootfs")
	for _, dir := range []string{"mnt", "mnt2"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{
		shell("mount -t tmpfs tmpfs " + root + "/mnt && echo one > " + root + "/mnt/marker"),
		shell("mount -t tmpfs tmpfs ./mnt2 && echo two > mnt2/marker"),
	}}
	f.write()
	if code, out, errs := f.call("run", "-b", f.bundle, "c-hookmounts"); code != 0 || out != "one\ntwo\nseen\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(mounts, []byte(root)) {
		t.Errorf("mounted on the host, %v", err)
	}
	for _, dir := range []string{"mnt", "mnt2"} {
		if _, err := os.Stat(filepath.Join(root, dir, "marker")); err == nil {
			t.Errorf("%s: written on the host", dir)
		}
	}
}

// TestRuntimeHookFindsRoot holds that a createRuntime hook that enters the
// container's mount namespace, as those for GPUs do, finds the mounts made.
func TestRuntimeHookFindsRoot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "cat", "/tmp/added/marker")
	root := filepath.Join(f.bundle, "rootfs")
	within := "test -e " + root + "/proc/1 && mkdir -p " + root + "/tmp/added && " +
		"mount -t tmpfs tmpfs " + root + "/tmp/added && echo here > " + root + "/tmp/added/marker"
	script := `pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/'); nsenter -t $pid -m sh -c "` + within + `"`
	f.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shell(script)}}
	f.write()
	if code, out, errs := f.call("run", "-b", f.bundle, "c-hookroot"); code != 0 || out != "here\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// TestHookJoinedPID joins the pid namespace of another container, which hooks
// with the host's privileges stay out of (CVE-2016-9962).
func TestHookJoinedPID(t *testing.T) {
	t.Parallel()
	first := newFixture(t, "sleep", "100")
	first.write()
	other := idOf(t) + "-other"
	t.Cleanup(func() { first.call("delete", "--force", other) })
	first.must("create", "-b", first.bundle, other)
	first.must("start", other)
	var st specs.State
	if err := json.Unmarshal([]byte(first.must("state", other)), &st); err != nil {
		t.Fatal(err)
	}
	ns := fmt.Sprintf("/proc/%d/ns/pid", st.Pid)
	joined, err := os.Readlink(ns)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"run", "create"} {
		f := newFixture(t, "sh", "-c", "[ -s /tmp/create ] && [ -s /tmp/start ] && echo program")
		f.links("readlink")
		with(specs.PIDNamespace, ns)(f.spec)
		hook := func(file string) []specs.Hook {
			return []specs.Hook{shell("readlink /proc/self/ns/pid > " + file + "; cat >> " + file)}
		}
		f.spec.Hooks = &specs.Hooks{CreateContainer: hook("./tmp/create"), StartContainer: hook("/tmp/start")}
		f.write()
		id := idOf(t) + verb
		if verb == "run" {
			if out := f.must("run", "-b", f.bundle, id); out != "program\n" {
				t.Errorf("%q", out)
			}
		} else {
			f.must("create", "-b", f.bundle, id)
			f.must("start", id)
			f.must("delete", "--force", id)
		}
		for file, want := range map[string]string{"create": hostLink("pid"), "start": joined} {
			got, err := os.ReadFile(filepath.Join(f.bundle, "rootfs/tmp", file))
			link, state, _ := strings.Cut(string(got), "\n")
			if err != nil || link != want {
				t.Errorf("%s: %s hook is in %s, want %s, %v", verb, file, link, want, err)
			}
			if inner := innerPID(t, state); file == "start" && (inner <= 1 || inner > 100) {
				t.Errorf("%s: pid %d is not the joined namespace's", verb, inner)
			}
		}
	}
}

func innerPID(t *testing.T, state string) int {
	t.Helper()
	var st specs.State
	if err := json.Unmarshal([]byte(state), &st); err != nil {
		t.Fatalf("%q: %v", state, err)
	}
	return st.Pid
}

// TestHookIsHeld lets a startContainer hook try what only the host may do.
func TestHookIsHeld(t *testing.T) {
	t.Parallel()
	victim := startVictim(t)
	for name, script := range map[string]string{
		"kill a host process": fmt.Sprintf("kill -9 %d", victim),
		"mount":               "mount -t tmpfs tmpfs /tmp",
		"another name":        "hostname other && false",
		"files of the host":   "cat /etc/shadow",
		"a program outside":   "/usr/bin/env true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "true")
			for _, program := range []string{"kill", "mount", "hostname"} {
				if err := os.Symlink("busybox", filepath.Join(f.bundle, "rootfs/bin", program)); err != nil {
					t.Fatal(err)
				}
			}
			f.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{shell(script)}}
			f.write()
			code, _, errs := f.call("run", "-b", f.bundle, idOf(t))
			if code != 1 || !strings.Contains(errs, "error running startContainer hook #0: /bin/sh: exit code") {
				t.Errorf("%d %q", code, errs)
			}
		})
	}
	if err := unix.Kill(victim, 0); err != nil {
		t.Errorf("a host process was killed: %v", err)
	}
}

func startVictim(t *testing.T) int {
	t.Helper()
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "100"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
	return p.Pid
}

// TestHookFailures lets a hook of each kind fail in each way. What comes before
// the program's end undoes the container; poststop is only worth a warning.
func TestHookFailures(t *testing.T) {
	t.Parallel()
	second := 1
	late := shell("sleep 100 & sleep 100; true")
	late.Timeout = &second
	for name, tt := range map[string]struct {
		hook specs.Hook
		says string
	}{
		"code":    {shell("echo why >&2; exit 7"), "exit code 7: why"},
		"signal":  {shell("kill -9 $$"), "killed by SIGKILL"},
		"missing": {specs.Hook{Path: "/no/such"}, "no such file"},
		"timeout": {late, "did not end within its timeout of 1s"},
	} {
		for _, kind := range hookKinds {
			for _, verb := range []string{"run", "create"} {
				if name == "timeout" && verb == "create" && kind != "startContainer" {
					continue // as for run; it takes its second
				}
				t.Run(kind+"/"+name+"/"+verb, func(t *testing.T) {
					t.Parallel()
					checkFailure(t, kind, verb, tt.hook, tt.says)
				})
			}
		}
	}
}

func checkFailure(t *testing.T, kind, verb string, hook specs.Hook, says string) {
	t.Helper()
	// Of this test alone: the process is looked for by its name.
	f := newFixture(t, "sh", "-c", "echo program; sleep 0.3")
	if err := os.Symlink("busybox", filepath.Join(f.bundle, "rootfs/bin/kill")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	f.spec.Hooks = &specs.Hooks{}
	list := hooksOf(f.spec.Hooks, kind)
	*list = append(*list, hook)
	f.spec.Hooks.Poststop = append(f.spec.Hooks.Poststop, shell("echo stopped >> "+log))
	f.write()
	id := fmt.Sprintf("c-fail-%s-%s-%d", kind, verb, time.Now().UnixNano())
	began := time.Now()
	var code int
	var out, errs string
	if verb == "run" {
		code, out, errs = f.call("run", "-b", f.bundle, id)
	} else {
		for _, args := range [][]string{{"create", "-b", f.bundle, id}, {"start", id}, {"delete", "--force", id}} {
			var c int
			var o, e string
			c, o, e = f.call(args...)
			code, out, errs = max(code, c), out+o, errs+e
			if c != 0 {
				break
			}
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	want := 1
	if kind == "poststop" {
		want = 0
	}
	if code != want || !strings.Contains(errs, "error running "+kind+" hook #0: "+hook.Path) || !strings.Contains(errs, says) {
		t.Errorf("%d %q", code, errs)
	}
	if before := kind != "poststart" && kind != "poststop"; before && strings.Contains(out, "program") {
		t.Error("the program ran")
	}
	if list := f.must("list", "-q"); list != "" {
		t.Errorf("left: %q", list)
	}
	if stopped, err := os.ReadFile(log); err != nil || string(stopped) != "stopped\n" {
		t.Errorf("poststop: %q, %v", stopped, err)
	}
}

// TestHookRules refuses hooks of any kind that the spec forbids.
func TestHookRules(t *testing.T) {
	t.Parallel()
	zero, negative := 0, -1
	for name, hook := range map[string]specs.Hook{
		"path":    {Path: "bin/sh"},
		"empty":   {},
		"timeout": {Path: "/bin/true", Timeout: &zero},
		"before":  {Path: "/bin/true", Timeout: &negative},
	} {
		for _, kind := range hookKinds {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, "true")
				f.spec.Hooks = &specs.Hooks{}
				*hooksOf(f.spec.Hooks, kind) = []specs.Hook{hook}
				f.write()
				code, _, errs := f.call("create", "-b", f.bundle, "c-rules")
				if code != 1 || !strings.Contains(errs, "hooks."+kind+"[0].") {
					t.Errorf("%d %q", code, errs)
				}
			})
		}
	}
}

// TestHookStreams lets a hook of each kind print much, read nothing, and leave a
// process behind that keeps its streams.
func TestHookStreams(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"much":   "seq 100000 || true",
		"behind": "sleep 2 & true",
		"second": "true",
	} {
		for _, kind := range hookKinds {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, "echo", "program")
				if err := os.Symlink("busybox", filepath.Join(f.bundle, "rootfs/bin/seq")); err != nil {
					t.Fatal(err)
				}
				f.spec.Annotations = map[string]string{"long": strings.Repeat("x", 200_000)}
				hook := shell(script)
				f.spec.Hooks = &specs.Hooks{}
				*hooksOf(f.spec.Hooks, kind) = []specs.Hook{hook, hook}
				f.write()
				code, out, errs := f.call("run", "-b", f.bundle, "c-streams-"+kind+name)
				if code != 0 || out != "program\n" || errs != "" {
					t.Errorf("%d %q %.200q", code, out, errs)
				}
			})
		}
	}
}
