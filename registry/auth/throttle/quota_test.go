package throttle_test

import (
	"fmt"
	"testing"
	"time"

	"cove/registry/auth/throttle"
)

func TestQuota(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	q := throttle.Quota{Now: func() time.Time { return now }, Each: 2, All: 5, Within: time.Hour}
	want := func(address string, wait time.Duration) {
		t.Helper()
		if got := q.Take(address); got != wait {
			t.Errorf("%s waits %v, want %v", address, got, wait)
		}
	}
	want("a", 0)
	want("a", 0)
	now = now.Add(10 * time.Minute)
	want("a", 50*time.Minute) // which is not counted
	for i := range 3 {
		want(fmt.Sprint(i), 0)
	}
	want("another", 50*time.Minute) // for all have used up theirs
	now = now.Add(50 * time.Minute)
	want("a", 0)
	none := throttle.Quota{Now: time.Now, Within: time.Hour}
	if none.Take("a") <= 0 {
		t.Error("a quota of nothing lets something be done")
	}
}
