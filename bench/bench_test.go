package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func take(v float64) func(context.Context, *testbed) (float64, error) {
	return func(context.Context, *testbed) (float64, error) { return v, nil }
}

func emptyTestbed() *testbed {
	return &testbed{vars: map[string]string{}, prepared: map[string]error{}}
}

func TestPeerThatFailsIsOutAndOthersGoOn(t *testing.T) {
	runs := 0
	res := emptyTestbed().measure(t.Context(), row{
		name: "work", target: within(0.5, ""), rounds: 3, in: []contender{
			{name: cove, value: take(1)},
			{name: docker, value: func(context.Context, *testbed) (float64, error) { runs++; return 0, errors.New("no such thing") }},
			{name: podman, value: take(4)},
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
	tb, times := emptyTestbed(), 0
	n := need{"a thing", func(context.Context, *testbed) error { times++; return errors.New("broken") }}
	for range 2 {
		if err := tb.prepare(t.Context(), n); err == nil || err.Error() != "a thing: broken" {
			t.Errorf("error %v", err)
		}
	}
	if times != 1 {
		t.Errorf("done %d times", times)
	}
}

func TestRunThatTakesTooLongDies(t *testing.T) {
	begun := time.Now()
	r := row{rounds: 1, limit: 50 * time.Millisecond, cold: true, in: []contender{{name: cove, run: shell("sleep 60 & wait")}}}
	res := emptyTestbed().measure(t.Context(), r, 0)
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
	does := func(who string) step {
		return func(context.Context, *testbed) error { order += who; return nil }
	}
	r := row{rounds: 2, streak: 3, cold: true, in: []contender{{name: cove, run: does("a")}, {name: docker, run: does("b")}}}
	res := emptyTestbed().measure(t.Context(), r, 0)
	if order != "aaaabbbbbbbbaaaa" {
		t.Errorf("order %s", order)
	}
	for _, s := range res.Series {
		if s.Err != nil || len(s.Samples) != 2 {
			t.Errorf("%s: %v, %v", s.Name, s.Samples, s.Err)
		}
	}
}
