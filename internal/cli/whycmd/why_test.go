package whycmd

import (
	"strings"
	"testing"
	"time"

	"cove/engine"
	"cove/engine/listing"
	"cove/runner/record"
)

func TestBecause(t *testing.T) {
	t.Parallel()
	exited := func(code int) record.State { return record.State{Status: record.Exited, ExitCode: code} }
	oom := exited(137)
	oom.OOMKilled = true
	lost := exited(255)
	lost.Error = "monitor killed"
	for name, tt := range map[string]struct {
		state  record.State
		change func(c *engine.Cause)
		want   string
	}{
		"runs":         {record.State{Status: record.Running, StartedAt: time.Now()}, nil, "box runs since "},
		"lost a child": {record.State{Status: record.Running, OOMKilled: true}, func(c *engine.Cause) { c.Memory = 64 << 20 }, "a process of it for want of memory. Give it more with 'update --memory 128m box'."},
		"never":        {record.State{Status: record.Created}, nil, "start it with 'start box'"},
		"cannot":       {record.State{Status: record.Created, ExitCode: 127, Error: "no nosuch"}, nil, "could not be started (exit code 127): no nosuch"},
		"waits":        {record.State{Status: record.Restarting, ExitCode: 1, Restarts: 4}, nil, "its policy on-failure:5 (4 times so far)"},
		"memory":       {oom, func(c *engine.Cause) { c.Memory = 64 << 20 }, "its memory limit of 64MiB. Give it more with 'update --memory 128m box'"},
		"no memory":    {oom, nil, "the machine, or a group above it"},
		"lost":         {lost, nil, "exit code 255: monitor killed."},
		"success":      {exited(0), nil, "ended by itself, with success"},
		"failure":      {exited(3), nil, `its command "sleep 1" returned 3`},
		"stopped":      {exited(143), func(c *engine.Cause) { c.Signal, c.Sent, c.Stopped = "SIGTERM", true, true }, "SIGTERM (exit code 143): it was stopped."},
		"too slow":     {exited(137), func(c *engine.Cause) { c.Signal, c.Sent, c.Stopped = "SIGKILL", true, true }, "'--stop-timeout'"},
		"killed":       {exited(137), func(c *engine.Cause) { c.Signal, c.Sent = "SIGKILL", true }, "which a command sent"},
		"from outside": {exited(137), func(c *engine.Cause) { c.Signal = "SIGKILL" }, "no command of cove sent"},
		"crash":        {exited(139), func(c *engine.Cause) { c.Signal = "SIGSEGV" }, "touched memory that is not its own"},
		"unhealthy": {record.State{Status: record.Running}, func(c *engine.Cause) {
			c.Checks = record.Health{Status: record.Unhealthy, FailingStreak: 3, Log: []record.HealthResult{{ExitCode: 7, Output: "refused\n"}}}
		}, "the last 3 checks failed, the last with 7: refused"},
	} {
		c := engine.Cause{Container: listing.Container{Config: record.Config{Name: "box"}, State: tt.state, Command: "sleep 1"}}
		c.Restart = record.RestartPolicy{Name: record.RestartOnFailure, Max: 5}
		if tt.change != nil {
			tt.change(&c)
		}
		if got := strings.Join(because(c), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", name, got, tt.want)
		}
	}
}
