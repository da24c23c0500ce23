package restart

import (
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/runner/record"
)

func policy(t *testing.T, s string) record.RestartPolicy {
	t.Helper()
	p, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy   string
		exit     int
		restarts int
		stopped  bool
		again    bool
	}{
		{"no", 1, 0, false, false},
		{"", 1, 0, false, false},
		{"always", 0, 0, false, true},
		{"always", 1, 1000, false, true},
		{"always", 0, 0, true, false},
		{"unless-stopped", 0, 5, false, true},
		{"unless-stopped", 137, 5, true, false},
		{"on-failure", 0, 0, false, false},
		{"on-failure", 1, 1000, false, true},
		{"on-failure:2", 1, 0, false, true},
		{"on-failure:2", 1, 1, false, true},
		{"on-failure:2", 1, 2, false, false},
		{"on-failure:0", 1, 99, false, true},
		{"on-failure", 1, 0, true, false},
	} {
		st := record.State{ExitCode: tc.exit, Restarts: tc.restarts}
		if _, again := After(policy(t, tc.policy), st, tc.stopped); again != tc.again {
			t.Errorf("%+v: %t", tc, again)
		}
	}
}

// TestBackoff: the waits double up to a minute, and begin anew after a long life.
func TestBackoff(t *testing.T) {
	t.Parallel()
	var st record.State
	var waits []time.Duration
	for range 12 {
		st.Backoff, _ = After(record.RestartPolicy{Name: record.RestartAlways}, st, false)
		waits = append(waits, st.Backoff)
	}
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000} {
		if waits[i] != want*time.Millisecond {
			t.Errorf("wait %d is %s", i, waits[i])
		}
	}
	st.StartedAt = time.Now()
	st.FinishedAt = st.StartedAt.Add(longLife)
	if wait, _ := After(record.RestartPolicy{Name: record.RestartAlways}, st, false); wait != firstWait {
		t.Errorf("after a long life: %s", wait)
	}
}

func TestOnBoot(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy  string
		status  record.Status
		exit    int
		stopped bool
		starts  bool
	}{
		{"no", record.Exited, 255, false, false},
		{"always", record.Exited, 0, true, true},
		{"always", record.Created, 0, false, false},
		{"unless-stopped", record.Exited, 255, false, true},
		{"unless-stopped", record.Exited, 0, true, false},
		{"on-failure", record.Exited, 255, false, true},
		{"on-failure", record.Exited, 0, false, false},
	} {
		st := record.State{Status: tc.status, ExitCode: tc.exit}
		if got := OnBoot(policy(t, tc.policy), st, tc.stopped); got != tc.starts {
			t.Errorf("%+v: %t", tc, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"sometimes", "Always", "always:3", "no:1", "on-failure:-1", "on-failure:x", "on-failure:"} {
		if p, err := Parse(s); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %+v, %v", s, p, err)
		}
	}
	if p := policy(t, "on-failure:3"); p.Name != record.RestartOnFailure || p.Max != 3 || p.String() != "on-failure:3" {
		t.Errorf("%+v", p)
	}
}
