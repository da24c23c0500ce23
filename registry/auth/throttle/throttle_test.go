package throttle

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestGuessersDriveOutThemselves makes up more names than are counted: the count
// of the address they come from, and who is known there, stay.
func TestGuessersDriveOutThemselves(t *testing.T) {
	t.Parallel()
	const address = "10.0.0.1"
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	th := New(func() time.Time { return at })
	th.Succeeded(&Attempt{Name: "admin", Address: address})
	for i := range 3 * maxGuessers {
		th.Failed(&Attempt{Name: fmt.Sprint("made up ", i, strings.Repeat("x", 1000)), Address: address})
	}
	if n := len(th.tries); n > maxGuessers {
		t.Errorf("%d are counted", n)
	}
	for key := range th.tries {
		if len(key) > 200 {
			t.Fatalf("a key of %d bytes", len(key))
		}
	}
	a := &Attempt{Name: "admin", Address: address}
	if e := th.tries[a.Origin()]; e == nil || e.failed != 3*maxGuessers {
		t.Errorf("the address has %+v", e)
	}
	if known, wait := th.Delay(a); !known || wait != 0 {
		t.Errorf("who is known there: %v, %v", known, wait)
	}
	if _, wait := th.Delay(&Attempt{Name: "developer", Address: address}); wait != 0 {
		t.Errorf("who is new there waits %v", wait)
	}
}

// TestKnownAreBounded signs in from more addresses than are remembered.
func TestKnownAreBounded(t *testing.T) {
	t.Parallel()
	th := New(time.Now)
	for i := range maxKnown + 100 {
		th.Succeeded(&Attempt{Name: "admin", Address: fmt.Sprint(i)})
	}
	if n := len(th.known); n != maxKnown {
		t.Errorf("%d are known", n)
	}
}

// TestDelaysGrowAndEnd follows one account at one address.
func TestDelaysGrowAndEnd(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	th := New(func() time.Time { return at })
	fail := func() time.Duration {
		th.Failed(&Attempt{Name: "admin", Address: "a"})
		_, wait := th.Delay(&Attempt{Name: "admin", Address: "a"})
		return wait
	}
	var got []time.Duration
	for range TriesByPair + 8 {
		got = append(got, fail()/time.Second)
	}
	if want := "[0 0 0 0 0 0 0 0 0 1 2 4 8 16 32 60 60 60]"; fmt.Sprint(durations(got)) != want {
		t.Errorf("%v, want %v", durations(got), want)
	}
	at = at.Add(MaxDelay)
	if _, wait := th.Delay(&Attempt{Name: "admin", Address: "a"}); wait != 0 {
		t.Errorf("after the longest: %v", wait)
	}
	at = at.Add(window)
	if wait := fail(); wait != 0 {
		t.Errorf("once it is over: %v", wait)
	}
}

func durations(ds []time.Duration) (n []int64) {
	for _, d := range ds {
		n = append(n, int64(d))
	}
	return n
}
