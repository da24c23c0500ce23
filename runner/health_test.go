package runner_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cove/runner"
	"cove/runner/record"
)

// checked is a container that is asked often whether it is well.
func (f *fixture) checked(script, test string, more func(*record.Config)) *runner.Container {
	cfg := f.config(script)
	cfg.Health = &record.HealthCheck{
		Test: []string{"CMD-SHELL", test}, Interval: 50 * time.Millisecond, Retries: 2, Timeout: 20 * time.Second,
	}
	if more != nil {
		more(&cfg)
	}
	return f.start(cfg)
}

func (f *fixture) health(c *runner.Container) record.Health {
	f.t.Helper()
	h, err := record.Dir(c.Dir()).Health()
	if err != nil {
		f.t.Fatal(err)
	}
	return h
}

func (f *fixture) becomes(c *runner.Container, status string) record.Health {
	f.t.Helper()
	eventually(f.t, status, func() bool { return f.health(c).Status == status })
	return f.health(c)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.checked("exec sleep 100", "cat /ill && exit 4; echo well", nil)
	if h := f.becomes(c, record.Healthy); h.Log[0].ExitCode != 0 || h.Log[0].Output != "well\n" && !strings.HasSuffix(h.Log[0].Output, "well\n") {
		t.Errorf("%+v", h)
	}
	if _, _, err := f.exec(c, record.ExecConfig{Args: []string{"sh", "-c", "echo cough > /ill"}}, ""); err != nil {
		t.Fatal(err)
	}
	h := f.becomes(c, record.Unhealthy)
	if last := h.Log[len(h.Log)-1]; h.FailingStreak < 2 || last.ExitCode != 4 || last.Output != "cough\n" || !last.End.After(last.Start) {
		t.Errorf("%+v", h)
	}
	// Nobody is asked while frozen.
	if err := c.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // one that was running
	before := f.health(c).FailingStreak
	time.Sleep(300 * time.Millisecond)
	if after := f.health(c).FailingStreak; after != before {
		t.Errorf("asked while paused: %d, %d", before, after)
	}
	if err := c.Unpause(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestHealthOfTheHung: a check that does not end is killed with what it started, and
// what it prints is bounded.
func TestHealthOfTheHung(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.checked("exec sleep 4711", "seq 1 100000; sleep 4712 & sh -c 'sleep 4713' & sleep 4714", func(cfg *record.Config) {
		cfg.Health.Timeout, cfg.Health.Interval = 300*time.Millisecond, time.Hour
		cfg.Health.StartPeriod, cfg.Health.StartInterval = time.Hour, 10*time.Millisecond
	})
	eventually(t, "a result", func() bool { return len(f.health(c).Log) > 0 })
	r := f.health(c).Log[0]
	if r.ExitCode != -1 || !strings.HasPrefix(r.Output, "Health check exceeded timeout (300ms): 1\n2\n") || len(r.Output) > 5000 {
		t.Errorf("%d, %.100q, %d bytes", r.ExitCode, r.Output, len(r.Output))
	}
	if h := f.health(c); h.Status != record.Starting || h.FailingStreak != 0 {
		t.Errorf("while it starts: %+v", h.Status)
	}
	if err := c.Pause(t.Context()); err != nil { // no check begins now
		t.Fatal(err)
	}
	out, err := c.Procs(t.Context())
	if err != nil || len(out) > 1+5 { // the next check may be running
		t.Errorf("processes: %v, %v", out, err)
	}
	if err := c.Unpause(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestHealthOnFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tc := range []struct {
		action, policy string
		status         record.Status
		lives          int
	}{
		{record.HealthKill, "", record.Exited, 1},
		{record.HealthKill, record.RestartAlways, record.Running, 2},
		{record.HealthRestart, "", record.Running, 2},
		{record.HealthStop, record.RestartAlways, record.Exited, 1},
		{"", record.RestartAlways, record.Running, 1},
	} {
		t.Run(tc.action+" "+tc.policy, func(t *testing.T) {
			t.Parallel()
			// Ill in its first life alone.
			script := "trap 'exit 0' TERM; [ -e /first ] || echo > /ill; echo life >> /lives; echo > /first; while :; do sleep 0.05; done"
			c := f.checked(script, "[ -e /ill ] && echo > /told && exit 1; exit 0", func(cfg *record.Config) {
				cfg.Health.OnFailure, cfg.Restart.Name = tc.action, tc.policy
				cfg.Spec.Process.Args[2] = "rm -f /ill; " + script
			})
			eventually(t, "its end, or its failure", func() bool {
				st := f.state(c)
				return st.Status == tc.status && lives(t, c) == tc.lives && (tc.action != "" || f.health(c).Status == record.Unhealthy)
			})
			time.Sleep(300 * time.Millisecond)
			if st := f.state(c); st.Status != tc.status || lives(t, c) != tc.lives {
				t.Errorf("%+v, %d lives", st, lives(t, c))
			}
		})
	}
}

// TestHealthEndsWithTheContainer: no check keeps a container from ending.
func TestHealthEndsWithTheContainer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.checked("sleep 0.3", "sleep 100", nil)
	if _, err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := f.state(c); st.Status != record.Exited {
		t.Errorf("%+v", st)
	}
	if h := f.health(c); slices.ContainsFunc(h.Log, func(r record.HealthResult) bool { return r.ExitCode == 0 }) {
		t.Errorf("%+v", h)
	}
}
