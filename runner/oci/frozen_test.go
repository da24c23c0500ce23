package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// within fails the test if fn takes longer than a few seconds.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not end", what)
	}
}

// frozenGroup is a control group that somebody else has frozen.
func frozenGroup(t *testing.T, path string) *cgroup.Group {
	t.Helper()
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	g, err := cgroup.Create(features.Cgroup, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Thaw(t.Context()); err != nil {
			t.Error(err)
		}
		if err := g.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestFrozenGroup refuses a group where the process would stop at once.
func TestFrozenGroup(t *testing.T) {
	for name, below := range map[string]string{"itself": "", "the one above": "/below/deep"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "true")
			path := "/" + idOf(t)
			frozenGroup(t, path)
			f.spec.Linux.CgroupsPath = path + below
			f.write()
			within(t, "create", func() {
				code, _, errs := f.call("create", "-b", f.bundle, idOf(t))
				if code != 1 || !strings.Contains(errs, path+" is frozen") {
					t.Errorf("%d %q", code, errs)
				}
			})
			if list := f.must("list", "-q"); list != "" {
				t.Errorf("left: %q", list)
			}
		})
	}
}

// TestFrozenContainer holds what can be done to a container whose group is
// frozen, by pause or by somebody else, before and after its start.
func TestFrozenContainer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start bool
		do    func(t *testing.T, f *fixture, id string)
	}{
		"resume a created one": {false, func(t *testing.T, f *fixture, id string) {
			if code, _, errs := f.call("start", id); code != 1 || !strings.Contains(errs, "paused") {
				t.Errorf("start: %d %q", code, errs)
			}
			f.must("resume", id)
			if got := f.status(id); got != "created" {
				t.Errorf("after resume: %s", got)
			}
			f.must("start", id)
		}},
		"delete a created one":   {false, does("delete", "--force")},
		"delete a running one":   {true, does("delete", "--force")},
		"delete without force":   {true, refuses("delete")},
		"exec":                   {true, refuses("exec", "true")},
		"pause again":            {true, refuses("pause")},
		"kill a created one":     {false, killed("kill", "KILL")},
		"kill a running one":     {true, killed("kill", "KILL")},
		"kill all of it":         {true, killed("kill", "--all", "KILL")},
		"ps":                     {true, does("ps")},
		"a signal that may wait": {true, func(t *testing.T, f *fixture, id string) { f.must("kill", id, "USR1") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "sleep", "100")
			f.write()
			id := idOf(t)
			t.Cleanup(func() { f.call("delete", "--force", id) })
			f.must("create", "-b", f.bundle, id)
			if tt.start {
				f.must("start", id)
			}
			f.must("pause", id)
			if got := f.status(id); got != "paused" {
				t.Errorf("after pause: %s", got)
			}
			within(t, name, func() { tt.do(t, f, id) })
		})
	}
}

func does(args ...string) func(*testing.T, *fixture, string) {
	return func(_ *testing.T, f *fixture, id string) { f.must(append(args[:len(args):len(args)], id)...) }
}

func refuses(verb string, args ...string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, id string) {
		t.Helper()
		refused(t, f, "paused", append([]string{verb, id}, args...)...)
	}
}

func refused(t *testing.T, f *fixture, says string, args ...string) {
	t.Helper()
	if code, _, errs := f.call(args...); code == 0 || !strings.Contains(errs, says) {
		t.Errorf("%q: %d %q", args, code, errs)
	}
}

func killed(args ...string) func(*testing.T, *fixture, string) {
	return func(t *testing.T, f *fixture, id string) {
		last := len(args) - 1
		f.must(append(append(args[:last:last], id), args[last])...)
		waitFor(t, "the end", func() bool { return f.status(id) == "stopped" })
	}
}

// TestNobodyOpens gives a pipe that nobody will ever open in places of files.
func TestNobodyOpens(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, f *fixture, pipe string) []string{
		"namespace": func(t *testing.T, f *fixture, pipe string) []string {
			with(specs.NetworkNamespace, pipe)(f.spec)
			f.write()
			return nil
		},
		"config": func(t *testing.T, f *fixture, pipe string) []string {
			if err := os.Rename(pipe, filepath.Join(f.bundle, "config.json")); err != nil {
				t.Fatal(err)
			}
			return nil
		},
		"log": func(t *testing.T, f *fixture, pipe string) []string {
			f.spec.Process.Args = []string{"no/such"}
			f.write()
			return []string{"--log", pipe}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "true")
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := unix.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(change(t, f, pipe), "run", "-b", f.bundle, idOf(t))
			within(t, "run", func() {
				if code, _, errs := f.call(args...); code != 1 || errs == "" {
					t.Errorf("%d %q", code, errs)
				}
			})
		})
	}
}

// TestExecInStopped joins a container that has ended, and one whose first
// process is stopped by a signal.
func TestExecInStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sleep", "100")
	f.write()
	id := idOf(t)
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	f.must("kill", id, "STOP")
	within(t, "exec beside a stopped process", func() {
		if out := f.must("exec", id, "echo", "joined"); out != "joined\n" {
			t.Errorf("%q", out)
		}
	})
	f.must("kill", id, "KILL")
	waitFor(t, "the end", func() bool { return f.status(id) == "stopped" })
	within(t, "exec", func() { refused(t, f, "stopped", "exec", id, "true") })
}
