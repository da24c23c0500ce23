package runner_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/process"
	"cove/runner"
	"cove/runner/doctor"
	"cove/runner/record"
)

// under is a container's config under runc.
func (f *fixture) under(script string) record.Config {
	f.t.Helper()
	path, err := exec.LookPath("runc")
	if err != nil {
		f.t.Skip("needs runc, which make deps-test brings")
	}
	cfg := f.config(script)
	cfg.Runtime = &record.Runtime{Name: "runc", Path: path}
	return cfg
}

// TestForeignRuntime lives a life under another OCI runtime: streams, exec, a pause, the
// end by a signal, a restart, and nothing left behind.
func TestForeignRuntime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	c := f.start(f.under("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done"))
	eventually(t, "up is logged", func() bool { return f.logs(c, runner.LogOptions{All: true}) == "up\n" })
	exe := record.Dir(c.Dir()).Path("runtime")
	if _, err := os.Stat(filepath.Join(exe, "state", c.ID())); err != nil {
		t.Errorf("runc does not know it: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(exe, "rootfs")); err != nil || len(entries) != 0 {
		t.Errorf("its root is seen on the host: %v, %v", entries, err)
	}
	out, st, err := f.exec(c, record.ExecConfig{Args: []string{"sh", "-c", "cat; cat /proc/1/comm; exit 4"}}, "typed\n")
	if err != nil || st.Code != 4 || out != "typed\nsh\n" {
		t.Errorf("exec: %q, %d, %v", out, st.Code, err)
	}
	out, st, err = f.exec(c, record.ExecConfig{Args: []string{"tty"}, Terminal: true}, "")
	if err != nil || st.Code != 0 || !strings.HasPrefix(out, "/dev/pts/") {
		t.Errorf("exec with a terminal: %q, %d, %v", out, st.Code, err)
	}
	var start *record.StartError
	if _, _, err := f.exec(c, record.ExecConfig{Args: []string{"no-such"}}, ""); !errors.As(err, &start) || start.Code != 127 {
		t.Errorf("exec of what is not there: %v", err)
	}
	if err := c.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if st := f.state(c); st.Status != record.Paused {
		t.Errorf("it is %s", st.Status)
	}
	if err := c.Unpause(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(ctx, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if ended, err := c.Wait(ctx); err != nil || ended.Code != 7 {
		t.Errorf("ended with %+v, %v", ended, err)
	}
	if _, err := os.Stat(exe); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("runc's state is left: %v", err)
	}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(ctx, true); err != nil {
		t.Fatal(err)
	}
	r, err := doctor.Examine(f.root)
	if err != nil || slices.ContainsFunc(r.Orphans, func(o string) bool { return strings.Contains(o, c.ID()[:12]) }) {
		t.Errorf("left behind: %q, %v", r.Orphans, err)
	}
}

// TestForeignRuntimeRefuses has runc find nothing to execute, and a program that is none.
func TestForeignRuntimeRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tc := range []struct {
		command, path string
		code          int
		says          string
	}{
		{"/no/such", "", 127, "runtime runc: create: "},
		{"/etc", "", 126, "runtime runc: create: "},
		{"true", "/no/such/runtime", 125, "there is no program /no/such/runtime"},
	} {
		cfg := f.under("")
		cfg.Spec.Process.Args = []string{tc.command}
		if tc.path != "" {
			cfg.Runtime.Path = tc.path
		}
		c := f.create(cfg)
		var start *record.StartError
		err := c.Start(t.Context())
		if !errors.As(err, &start) || start.Code != tc.code || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.command, err)
		}
		if _, err := os.Stat(record.Dir(c.Dir()).Path("runtime")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: its bundle is left: %v", tc.command, err)
		}
	}
}

// TestForeignRuntimeOutlivesItsMonitor: a process that runc has started does not die with
// the monitor that is killed, but is ended by whoever looks at the container next.
func TestForeignRuntimeOutlivesItsMonitor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.start(f.under("exec sleep 1000"))
	st := f.state(c)
	if err := unix.Kill(st.Monitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the monitor has ended", func() bool { return !process.Running(st.Monitor) })
	if got := f.state(c); got.Status != record.Exited {
		t.Errorf("it is %s", got.Status)
	}
	eventually(t, "its process has ended", func() bool { return !process.Running(st.Pid) })
	if err := c.Start(t.Context()); err != nil {
		t.Fatalf("again: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Remove(ctx, true); err != nil {
		t.Error(err)
	}
}
