// Package restart decides whether a container that has ended lives again. It is
// pure: who asks does what is decided.
package restart

import (
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/runner/record"
)

// docker's back-off: the first wait, doubled each time up to the longest; a life
// that was long begins it anew.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = time.Minute
	longLife    = 10 * time.Second
)

// After says whether the container whose life ended as st says is started again,
// and after how long. stopped says that a person ended it.
func After(p record.RestartPolicy, st record.State, stopped bool) (wait time.Duration, again bool) {
	switch {
	case stopped:
		return 0, false
	case p.Name == record.RestartAlways || p.Name == record.RestartUnlessStopped:
	case p.Name == record.RestartOnFailure && st.ExitCode != 0 && (p.Max == 0 || st.Restarts < p.Max):
	default:
		return 0, false
	}
	if wait = 2 * st.Backoff; wait == 0 || st.FinishedAt.Sub(st.StartedAt) >= longLife {
		wait = firstWait
	}
	return min(wait, longestWait), true
}

// OnBoot reports whether a container that does not run is started when the machine
// is: one that a person stopped only if it is always to run, as docker has it.
func OnBoot(p record.RestartPolicy, st record.State, stopped bool) bool {
	switch p.Name {
	case record.RestartAlways:
		return st.Status != record.Created
	case record.RestartUnlessStopped:
		return st.Status != record.Created && !stopped
	case record.RestartOnFailure:
		return st.Status == record.Exited && st.ExitCode != 0 && !stopped
	}
	return false
}

// Parse reads no, always, unless-stopped or on-failure[:N].
func Parse(s string) (record.RestartPolicy, error) {
	name, limit, limited := strings.Cut(s, ":")
	p := record.RestartPolicy{Name: name}
	switch name {
	case "", "no":
		p.Name = ""
	case record.RestartAlways, record.RestartUnlessStopped, record.RestartOnFailure:
	default:
		return p, errdefs.Errorf(errdefs.ErrInvalid,
			"invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", s)
	}
	if !limited {
		return p, nil
	}
	n, err := strconv.Atoi(limit)
	switch {
	case err == nil && n < 0:
		return p, errdefs.Errorf(errdefs.ErrInvalid, "invalid restart policy: maximum retry count cannot be negative")
	case err != nil:
		return p, errdefs.Errorf(errdefs.ErrInvalid,
			"invalid restart policy: maximum retry count must be a number of 0 or more, not %q", limit)
	case name != record.RestartOnFailure:
		return p, errdefs.Errorf(errdefs.ErrInvalid,
			"invalid restart policy: maximum retry count can only be used with 'on-failure'")
	}
	p.Max = n
	return p, nil
}
