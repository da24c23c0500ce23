package runner_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/runner"
	"cove/runner/record"
)

// counted is a container that counts its lives in a file of its root.
func (f *fixture) counted(policy record.RestartPolicy, script string) *runner.Container {
	cfg := f.config("echo life >> /lives; " + script)
	cfg.Restart = policy
	return f.start(cfg)
}

func lives(t *testing.T, c *runner.Container) int {
	t.Helper()
	text, err := os.ReadFile(c.Config().Root.Upper + "/lives")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "life")
}

func TestRestartOnFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	failing := f.counted(record.RestartPolicy{Name: record.RestartOnFailure, Max: 2}, "exit 3")
	fine := f.counted(record.RestartPolicy{Name: record.RestartOnFailure}, "exit 0")
	if err := failing.WaitForGood(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := f.state(failing)
	if st.Status != record.Exited || st.Restarts != 2 || st.ExitCode != 3 || lives(t, failing) != 3 {
		t.Errorf("%+v, %d lives", st, lives(t, failing))
	}
	if st.Backoff != 200*time.Millisecond {
		t.Errorf("the last wait was %s", st.Backoff)
	}
	if err := fine.WaitForGood(t.Context()); err != nil || lives(t, fine) != 1 {
		t.Errorf("one that succeeded: %v, %d lives", err, lives(t, fine))
	}
	// A person's start begins anew.
	if err := failing.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := failing.WaitForGood(t.Context()); err != nil || lives(t, failing) != 6 {
		t.Errorf("started again: %v, %d lives", err, lives(t, failing))
	}
}

// TestRestartEnds: whoever ends a container has ended it, whatever its policy says,
// while it runs and while it waits.
func TestRestartEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	always := record.RestartPolicy{Name: record.RestartAlways}
	for name, end := range map[string]func(context.Context, *runner.Container) error{
		"stop":   func(ctx context.Context, c *runner.Container) error { return c.Stop(ctx, 0) },
		"kill":   func(ctx context.Context, c *runner.Container) error { return c.Kill(ctx, unix.SIGKILL) },
		"remove": func(ctx context.Context, c *runner.Container) error { return c.Remove(ctx, true) },
	} {
		for when, script := range map[string]string{"runs": "exec sleep 100", "waits": "exit 1"} {
			t.Run(name+" while it "+when, func(t *testing.T) {
				t.Parallel()
				c := f.counted(always, script)
				if when == "waits" {
					// Until the waits are long enough to be met.
					eventually(t, "three restarts", func() bool {
						st := f.state(c)
						return st.Restarts >= 3 && st.Status == record.Restarting
					})
				}
				if err := end(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				if name == "remove" {
					if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("it is still there: %v", err)
					}
					return
				}
				before := lives(t, c)
				if st := f.state(c); st.Status != record.Exited {
					t.Errorf("%+v", st)
				}
				time.Sleep(time.Second)
				if st := f.state(c); st.Status != record.Exited || lives(t, c) != before {
					t.Errorf("it lives again: %+v", st)
				}
			})
		}
	}
}

func TestRestartingIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.counted(record.RestartPolicy{Name: record.RestartAlways}, "exit 1")
	eventually(t, "four restarts", func() bool {
		st := f.state(c)
		return st.Restarts >= 4 && st.Status == record.Restarting
	})
	for name, err := range map[string]error{
		"exec":   func() error { _, _, err := f.exec(c, record.ExecConfig{Args: []string{"true"}}, ""); return err }(),
		"pause":  c.Pause(t.Context()),
		"attach": func() error { _, err := c.Attach(t.Context()); return err }(),
		"remove": c.Remove(t.Context(), false),
	} {
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "restarting") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Start(t.Context()); err != nil { // a person does not wait
		t.Errorf("start: %v", err)
	}
	if st := f.state(c); st.Restarts > 1 {
		t.Errorf("started by a person: %+v", st)
	}
}

// TestRestartOfTheKilled: the policy holds, too, when the monitor, or the process
// that waits to start the container, is killed; whoever looks next sees to it.
func TestRestartOfTheKilled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	always := record.RestartPolicy{Name: record.RestartAlways}
	c := f.counted(always, "exec sleep 100")
	eventually(t, "a life", func() bool { return lives(t, c) == 1 })
	if err := unix.Kill(f.state(c).Monitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a second life", func() bool { return f.state(c).Status == record.Running && lives(t, c) == 2 })

	c = f.counted(always, "exit 1")
	eventually(t, "a long wait", func() bool {
		st := f.state(c)
		return st.Restarts >= 4 && st.Status == record.Restarting
	})
	// Who waits is found by what it executes, which changes in a moment that may be now.
	var pid int
	eventually(t, "somebody who waits", func() (ok bool) {
		pid, ok = process.Find(record.Dir(c.Dir()).Holder(record.RestartLock))
		return ok
	})
	before := lives(t, c)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another life", func() bool { f.state(c); return lives(t, c) > before })

	// After a boot the state says what was, and nothing is started by looking.
	c = f.counted(always, "exec sleep 100")
	st := f.state(c)
	if err := unix.Kill(st.Monitor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st.BootID = ids.New()
	if err := record.Dir(c.Dir()).SetState(st, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its monitor is gone", func() bool { return !process.Running(st.Monitor) })
	if st := f.state(c); st.Status != record.Exited || st.Error != "the machine was restarted" {
		t.Errorf("after a boot: %+v", st)
	}
}
