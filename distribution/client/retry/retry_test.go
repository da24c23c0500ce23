package retry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cove/distribution/client/retry"
	"cove/distribution/errcode"
	"cove/errdefs"
)

// clock is a policy whose waits pass at once.
func clock(most time.Duration) (retry.Policy, func() time.Duration) {
	now := time.Unix(0, 0)
	return retry.Policy{
		For: most, Now: func() time.Time { return now },
		Sleep: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
	}, func() time.Duration { return now.Sub(time.Unix(0, 0)) }
}

var errBusy = &errcode.Error{Status: 503, Host: "h", Message: "busy", Kind: errdefs.ErrUnavailable}

func TestDo(t *testing.T) {
	t.Parallel()
	policy, passed := clock(time.Minute)
	told := 0
	policy.Tell = func(error, time.Duration) { told++ }
	tries := 0
	if err := policy.Do(t.Context(), func() error { tries++; return errBusy }); !errors.Is(err, errBusy) {
		t.Errorf("what stays broken: %v", err)
	}
	if passed() > time.Minute || passed() < 50*time.Second || tries < 12 || told != 1 {
		t.Errorf("%d tries in %s, told %d times; want a minute's, told once", tries, passed(), told)
	}
	tries = 0
	if err := policy.Do(t.Context(), func() error { tries++; return errdefs.ErrNotFound }); tries != 1 || err == nil {
		t.Errorf("what is not there: %d tries, %v", tries, err)
	}
	long := *errBusy
	long.RetryAfter = 9000 * time.Hour
	if err := policy.Do(t.Context(), func() error { return &long }); err == nil || !strings.Contains(err.Error(), "for 375 days") {
		t.Errorf("what asks for a year: %v", err)
	}
}

// TestProgress: a transfer that gets on is never given up.
func TestProgress(t *testing.T) {
	t.Parallel()
	policy, passed := clock(10 * time.Second)
	budget := policy.Begin(nil)
	for range 1000 {
		if err := budget.Again(t.Context(), errBusy); err != nil {
			t.Fatalf("given up after %s: %v", passed(), err)
		}
		budget.Progressed()
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errdefs.ErrDenied)
	if err := budget.Again(ctx, errBusy); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("after a cancel: %v, want its cause", err)
	}
}
