package lab

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func take(v float64) func(context.Context, *Lab) (float64, error) {
	return func(context.Context, *Lab) (float64, error) { return v, nil }
}

func empty() *Lab {
	return &Lab{Vars: map[string]string{}, prepared: map[string]error{}}
}

func TestPeerThatFailsIsOutAndOthersGoOn(t *testing.T) {
	runs := 0
	res := empty().Measure(t.Context(), Row{
		Name: "work", Target: Within(0.5, ""), Rounds: 3, In: []Contender{
			{Name: "cove", Value: take(1)},
			{Name: "docker", Value: func(context.Context, *Lab) (float64, error) { runs++; return 0, errors.New("no such thing") }},
			{Name: "podman", Value: take(4)},
		},
	}, 0)
	if runs != 1 {
		t.Errorf("a contender that failed ran %d times, want 1", runs)
	}
	if got := len(res.Series[2].Samples); got != 3 {
		t.Errorf("%d samples of the peer that works, want 3", got)
	}
	if res.Verdict() != "met" {
		t.Errorf("verdict %q", res.Verdict())
	}
	if text := res.Lines(); !strings.Contains(text, "cannot: no such thing") || !strings.Contains(text, "| podman | 4.0 ms | 4.0 – 4.0 | 3 | 0.25 |") {
		t.Errorf("lines:\n%s", text)
	}
}

func TestNeedIsDoneOnce(t *testing.T) {
	l, times := empty(), 0
	n := Need{"a thing", func(context.Context, *Lab) error { times++; return errors.New("broken") }}
	for range 2 {
		if err := l.Prepare(t.Context(), n); err == nil || err.Error() != "a thing: broken" {
			t.Errorf("error %v", err)
		}
	}
	if times != 1 {
		t.Errorf("done %d times", times)
	}
}

func TestRunThatTakesTooLongDies(t *testing.T) {
	begun := time.Now()
	r := Row{Rounds: 1, Limit: 50 * time.Millisecond, Cold: true, In: []Contender{{Name: "cove", Run: Shell("sleep 60 & wait")}}}
	res := empty().Measure(t.Context(), r, 0)
	if err := res.Series[0].Err; err == nil || !strings.Contains(err.Error(), "it took too long") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it went on for %v", took)
	}
}

// TestStreak: the first run of each turn is no sample, and the others have
// nobody between them.
func TestStreak(t *testing.T) {
	var order string
	does := func(who string) Step {
		return func(context.Context, *Lab) error { order += who; return nil }
	}
	r := Row{Rounds: 2, Streak: 3, Cold: true, In: []Contender{{Name: "cove", Run: does("a")}, {Name: "docker", Run: does("b")}}}
	res := empty().Measure(t.Context(), r, 0)
	if order != "aaaabbbbbbbbaaaa" {
		t.Errorf("order %s", order)
	}
	for _, s := range res.Series {
		if s.Err != nil || len(s.Samples) != 2 {
			t.Errorf("%s: %v, %v", s.Name, s.Samples, s.Err)
		}
	}
}
