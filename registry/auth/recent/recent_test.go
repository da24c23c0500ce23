package recent_test

import (
	"errors"
	"testing"
	"time"

	"cove/registry/auth/recent"
)

// TestAnswers: an answer is believed for a moment, and only what should be.
func TestAnswers(t *testing.T) {
	t.Parallel()
	now, asked := time.Now(), 0
	answers := recent.Answers[string, int]{Now: func() time.Time { return now }}
	get := func(key string, keep bool) int {
		t.Helper()
		n, err := answers.Get(key, func() (int, error) { asked++; return asked, nil }, func(int) bool { return keep })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if a, b := get("x", true), get("x", true); a != 1 || b != 1 {
		t.Errorf("asked twice: %d, %d", a, b)
	}
	if a, b := get("news", false), get("news", false); a != 2 || b != 3 {
		t.Errorf("what is not to be kept: %d, %d", a, b)
	}
	now = now.Add(recent.Fresh)
	if n := get("x", true); n != 4 {
		t.Errorf("after a moment: %d", n)
	}
	if answers.Forget("x"); get("x", true) != 5 {
		t.Error("what was forgotten is remembered")
	}
	late, err := answers.Get("late", func() (int, error) {
		answers.Forget("late") // what is asked changes while it is asked
		return 7, nil
	}, func(int) bool { return true })
	if err != nil || late != 7 || get("late", true) == 7 {
		t.Errorf("what was forgotten while it was asked is remembered: %d, %v", late, err)
	}
	now, asked = now.Add(recent.Fresh), 5
	wrong := errors.New("down")
	if _, err := answers.Get("y", func() (int, error) { return 0, wrong }, func(int) bool { return true }); !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	if get("y", true) != 6 {
		t.Error("a failure is remembered")
	}
}
