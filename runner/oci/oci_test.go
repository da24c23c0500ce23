package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/sandboxtest"
)

type fixture struct {
	t            *testing.T
	root, bundle string
	spec         *specs.Spec
}

func newFixture(t *testing.T, args ...string) *fixture {
	t.Helper()
	f := &fixture{t: t, root: filepath.Join(t.TempDir(), "state"), bundle: t.TempDir(), spec: sandboxtest.Spec()}
	sandboxtest.Root(t, filepath.Join(f.bundle, "rootfs"), "sh", "sleep", "cat", "echo", "true", "id", "tty", "touch")
	f.spec.Process.Args, f.spec.Process.Env = args, []string{"PATH=/bin"}
	return f
}

func (f *fixture) write() {
	f.t.Helper()
	data, err := json.Marshal(f.spec)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.bundle, "config.json"), data, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// call runs one command as main does, with files for its streams.
func (f *fixture) call(args ...string) (code int, out, errs string) {
	f.t.Helper()
	dir := f.t.TempDir()
	var files [3]*os.File
	for i, name := range []string{"in", "out", "err"} {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			f.t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	code = Main(context.Background(), append([]string{"--root", f.root}, args...), files[0], files[1], files[2])
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.t.Fatal(err)
		}
		return string(b)
	}
	return code, read("out"), read("err")
}

func (f *fixture) must(args ...string) string {
	f.t.Helper()
	code, out, errs := f.call(args...)
	if code != 0 {
		f.t.Fatalf("%q: exit code %d: %s%s", args, code, out, errs)
	}
	return out
}

func (f *fixture) status(id string) string {
	f.t.Helper()
	var st specs.State
	if err := json.Unmarshal([]byte(f.must("state", id)), &st); err != nil {
		f.t.Fatal(err)
	}
	return string(st.Status)
}

func TestRunForeground(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "echo out; echo err >&2; exit 7")
	f.write()
	code, out, errs := f.call("run", "--bundle", f.bundle, "c-fore")
	if code != 7 || out != "out\n" || errs != "err\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if list := f.must("list", "-q"); list != "" {
		t.Errorf("left: %q", list)
	}
	f.spec.Process.Args = []string{"nosuch"}
	f.write()
	if code, _, errs := f.call("run", "-b", f.bundle, "c-fore"); code != 1 || !strings.Contains(errs, "nosuch") {
		t.Errorf("no such program: %d %q", code, errs)
	}
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come about: %s", what)
		}
	}
}

func TestCreateStartDelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sleep", "1000")
	f.write()
	pidFile := filepath.Join(t.TempDir(), "pid")
	id := fmt.Sprintf("c-life-%d", os.Getpid())
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, "--pid-file", pidFile, id)
	if got := f.status(id); got != "created" {
		t.Errorf("after create: %s", got)
	}
	if pid, err := os.ReadFile(pidFile); err != nil || len(pid) == 0 {
		t.Errorf("pid file: %q %v", pid, err)
	}
	if code, _, _ := f.call("create", "-b", f.bundle, id); code != 1 {
		t.Errorf("created twice: %d", code)
	}
	f.must("start", id)
	if got := f.status(id); got != "running" {
		t.Errorf("after start: %s", got)
	}
	if code, _, _ := f.call("start", id); code != 1 {
		t.Errorf("started twice: %d", code)
	}
	if code, _, _ := f.call("delete", id); code != 1 {
		t.Errorf("deleted while running: %d", code)
	}
	if code, out, errs := f.call("exec", "--user", "5:6", "--cwd", "/tmp", "-e", "A=b", id, "sh", "-c", "id -u; id -g; pwd; echo $A; exit 3"); code != 3 || out != "5\n6\n/tmp\nb\n" {
		t.Errorf("exec: %d %q %q", code, out, errs)
	}
	if code, _, _ := f.call("exec", id, "nosuch"); code != 255 {
		t.Errorf("exec of nothing: %d", code)
	}
	f.must("pause", id)
	if got := f.status(id); got != "paused" {
		t.Errorf("after pause: %s", got)
	}
	f.must("resume", id)
	f.must("kill", id, "KILL")
	for deadline := time.Now().Add(5 * time.Second); f.status(id) != "stopped"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("does not stop")
		}
	}
	f.must("delete", id)
	if code, _, errs := f.call("state", id); code != 1 || !strings.Contains(errs, "does not exist") {
		t.Errorf("state after delete: %d %q", code, errs)
	}
	f.must("delete", "--force", id)
}

func TestHooks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "cat /tmp/inside")
	log := filepath.Join(t.TempDir(), "log")
	hook := func(name string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "read state; echo " + name + " >> " + log}}}
	}
	f.spec.Hooks = &specs.Hooks{
		Prestart: hook("prestart"), CreateRuntime: hook("createRuntime"), CreateContainer: hook("createContainer"), //nolint:staticcheck // still configured
		StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo started inside > /tmp/inside"}}},
		Poststart:      hook("poststart"), Poststop: hook("poststop"),
	}
	f.write()
	code, out, errs := f.call("run", "-b", f.bundle, "c-hooks")
	if code != 0 || out != "started inside\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	got, err := os.ReadFile(log)
	if want := "prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop\n"; err != nil || string(got) != want {
		t.Errorf("hooks: %q, %v", got, err)
	}
	f.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo no >&2; exit 1"}}}}
	f.write()
	if code, _, errs := f.call("run", "-b", f.bundle, "c-hooks"); code != 1 || !strings.Contains(errs, "no") {
		t.Errorf("failing hook: %d %q", code, errs)
	}
	if list := f.must("list", "-q"); list != "" {
		t.Errorf("left: %q", list)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, root: t.TempDir()}
	logFile := filepath.Join(t.TempDir(), "log")
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":            {[]string{"--help"}, 0, ""},
		"a command's":     {[]string{"create", "--help"}, 0, ""},
		"unknown command": {[]string{"creat"}, 1, "No help topic for 'creat'"},
		"unknown flag":    {[]string{"create", "--nope", "x"}, 1, "nope"},
		"systemd":         {[]string{"--systemd-cgroup", "list"}, 0, ""},
		"rootless":        {[]string{"--rootless=true", "list"}, 1, "--rootless"},
		"log format":      {[]string{"--log-format", "xml", "list"}, 1, "xml"},
		"debug":           {[]string{"--debug", "list"}, 0, "level=debug"},
		"no bundle":       {[]string{"create", "-b", f.root, "x"}, 1, "config.json"},
		"bad ID":          {[]string{"state", "../x"}, 1, "only letters"},
		"unknown ID":      {[]string{"state", "x"}, 1, "does not exist"},
		"log":             {[]string{"--log", logFile, "--log-format", "json", "state", "x"}, 1, "does not exist"},
	} {
		if code, _, errs := f.call(tt.args...); code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: %d %q", name, code, errs)
		}
	}
	var line map[string]string
	data, err := os.ReadFile(logFile)
	if err != nil || json.Unmarshal(data, &line) != nil || line["level"] != "error" {
		t.Errorf("log: %q %v", data, err)
	}
}
