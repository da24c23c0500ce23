package runner_test

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cove/runner"
	"cove/runner/record"
)

// TestListsSeeChanges lists again and again what a server has seen before: whatever changed
// is seen at once, whoever changed it.
func TestListsSeeChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config("exec sleep 1000")
	cfg.Name = "listed"
	c := f.create(cfg)
	look := func() (l runner.Look, b runner.Brief) {
		t.Helper()
		for range 3 { // the first may be remembered, the others told from memory
			all, err := f.Briefs(t.Context())
			if err != nil || len(all) != 1 {
				t.Fatalf("%d containers, %v", len(all), err)
			}
			b = all[0]
			if l, err = b.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(60 * time.Millisecond) // till this time of the directory can be told from the next
		}
		return l, b
	}
	if l, _ := look(); l.State.Status != record.Created || l.Asked.Name != "listed" {
		t.Errorf("made it is %+v", l)
	}
	ctx := t.Context()
	dir := record.Dir(c.Dir())
	for _, change := range []struct {
		what string
		do   func() error
		is   func(runner.Look, runner.Brief) bool
	}{
		{"renamed", func() error { return c.Rename(ctx, "renamed") }, func(l runner.Look, _ runner.Brief) bool { return l.Asked.Name == "renamed" }},
		{"updated", func() error {
			return dir.SetUpdated(record.Updated{Restart: record.RestartPolicy{Name: "on-failure"}})
		}, func(_ runner.Look, b runner.Brief) bool { return b.Config.Restart.Name == "on-failure" }},
		{"started", func() error { return c.Start(ctx) }, func(l runner.Look, _ runner.Brief) bool { return l.State.Status == record.Running }},
		{"paused", func() error { return c.Pause(ctx) }, func(l runner.Look, _ runner.Brief) bool { return l.State.Status == record.Paused }},
		{"unpaused", func() error { return c.Unpause(ctx) }, func(l runner.Look, _ runner.Brief) bool { return l.State.Status == record.Running }},
		{"left by its monitor", func() error {
			pid, _, _ := strings.Cut(dir.Holder(record.MonitorLock), " ")
			n, err := strconv.Atoi(pid)
			return errors.Join(err, syscall.Kill(n, syscall.SIGKILL))
		}, func(l runner.Look, _ runner.Brief) bool {
			// Its policy may have started it again already.
			return l.State.Status == record.Exited || l.State.Status == record.Restarting || l.State.Restarts > 0
		}},
	} {
		if err := change.do(); err != nil {
			t.Fatalf("%s: %v", change.what, err)
		}
		if l, b := look(); !change.is(l, b) {
			t.Errorf("%s it is %+v", change.what, l)
		}
	}
}
