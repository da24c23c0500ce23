package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cove/runner/record"
)

// TestAfter walks through results, one letter each: o is well, x a failure, S one
// in the start period.
func TestAfter(t *testing.T) {
	t.Parallel()
	for results, want := range map[string]string{
		"":      "starting 0",
		"o":     "healthy 0",
		"x":     "starting 1",
		"xx":    "starting 2",
		"xxx":   "unhealthy 3",
		"xxxx":  "unhealthy 4",
		"xxxo":  "healthy 0",
		"oxx":   "healthy 2",
		"oxxx":  "unhealthy 3",
		"oxxox": "healthy 1",
		"SSSSS": "starting 0",
		"SSxxx": "unhealthy 3",
		"SoS":   "healthy 1", // it was well once: the start is over
	} {
		c := record.HealthCheck{StartPeriod: time.Minute}
		started := time.Now()
		h := record.Health{Status: record.Starting}
		for _, r := range results {
			result := record.HealthResult{Start: started.Add(time.Hour), ExitCode: 1}
			switch r {
			case 'o':
				result.ExitCode = 0
			case 'S':
				result.Start = started.Add(time.Second)
			}
			h = After(c, h, result, started)
		}
		status, streak, _ := strings.Cut(want, " ")
		if h.Status != status || h.FailingStreak != int(streak[0]-'0') || len(h.Log) != min(len(results), 5) {
			t.Errorf("%q: %+v, want %s", results, h, want)
		}
	}
}

func TestTheLastResultsAreKept(t *testing.T) {
	t.Parallel()
	h := record.Health{Status: record.Starting}
	for i := range 8 {
		h = After(record.HealthCheck{}, h, record.HealthResult{ExitCode: i}, time.Now())
	}
	var codes []int
	for _, r := range h.Log {
		codes = append(codes, r.ExitCode)
	}
	if !slices.Equal(codes, []int{3, 4, 5, 6, 7}) {
		t.Errorf("%v", codes)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	starting, well := record.Health{Status: record.Starting}, record.Health{Status: record.Healthy}
	own := record.HealthCheck{Interval: 7 * time.Second, StartInterval: time.Second, StartPeriod: time.Minute}
	for _, tc := range []struct {
		c     record.HealthCheck
		h     record.Health
		since time.Duration
		want  time.Duration
	}{
		{record.HealthCheck{}, starting, 0, defaultInterval},
		{record.HealthCheck{StartPeriod: time.Minute}, starting, 0, defaultStartInterval},
		{own, starting, time.Second, time.Second},
		{own, starting, time.Minute - time.Millisecond, time.Millisecond},
		{own, starting, time.Hour, 7 * time.Second},
		{own, well, time.Second, 7 * time.Second},
	} {
		if got := Wait(tc.c, tc.h, tc.since); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		c    record.HealthCheck
		want string
	}{
		{record.HealthCheck{Test: []string{"CMD", "a", "b c"}}, "a|b c"},
		{record.HealthCheck{Test: []string{"CMD-SHELL", "a b"}}, "/bin/sh|-c|a b"},
		{record.HealthCheck{Test: []string{"CMD-SHELL", "a"}, Shell: []string{"bash", "-ec"}}, "bash|-ec|a"},
		{record.HealthCheck{Test: []string{"NONE"}}, ""},
	} {
		if got := strings.Join(Args(tc.c), "|"); got != tc.want {
			t.Errorf("%+v: %q", tc.c, got)
		}
	}
}
