// Package health decides from the results of checks whether a container is well,
// and when the next one is due, by docker's rules. It is pure: package monitor runs
// the checks.
package health

import (
	"cmp"
	"time"

	"cove/runner/record"
)

// docker's defaults.
const (
	defaultInterval      = 30 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultRetries       = 3
)

// kept is how many results are kept; MaxOutput how many bytes of what one printed.
const (
	kept      = 5
	MaxOutput = 4096
)

// Timeout is how long one check may take.
func Timeout(c record.HealthCheck) time.Duration { return cmp.Or(c.Timeout, defaultTimeout) }

// Wait is how long after the last check, or the start, the next one is due. since is the time
// since the start: when the start period is over checks are no longer those of a start.
func Wait(c record.HealthCheck, h record.Health, since time.Duration) time.Duration {
	if h.Status == record.Starting && since < c.StartPeriod {
		return min(cmp.Or(c.StartInterval, defaultStartInterval), c.StartPeriod-since)
	}
	return cmp.Or(c.Interval, defaultInterval)
}

// After is the health after one more result of a container that was started at a
// time. While it may still be starting, a failure is not held against it.
func After(c record.HealthCheck, h record.Health, r record.HealthResult, started time.Time) record.Health {
	h.Log = append(h.Log[max(0, len(h.Log)+1-kept):len(h.Log):len(h.Log)], r)
	switch {
	case r.ExitCode == 0:
		h.Status, h.FailingStreak = record.Healthy, 0
	case h.Status == record.Starting && r.Start.Sub(started) < c.StartPeriod:
	default:
		if h.FailingStreak++; h.FailingStreak >= cmp.Or(c.Retries, defaultRetries) {
			h.Status = record.Unhealthy
		}
	}
	return h
}

// Args is the command of a check.
func Args(c record.HealthCheck) []string {
	if len(c.Test) < 2 {
		return nil
	}
	if c.Test[0] != "CMD-SHELL" {
		return c.Test[1:]
	}
	shell := c.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return append(shell[:len(shell):len(shell)], c.Test[1])
}
