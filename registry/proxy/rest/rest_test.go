package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
)

func said(status int, after time.Duration) error {
	return &errcode.Error{Status: status, RetryAfter: after}
}

// TestRest: what is asked, and what is not, after each answer.
func TestRest(t *testing.T) {
	t.Parallel()
	broken := errors.New("the line was cut")
	for name, c := range map[string]struct {
		heard map[string]error
		self  time.Duration // how long what failed is spared
		all   time.Duration // how long everything is
	}{
		"an answer":          {map[string]error{"a": nil}, 0, 0},
		"gone away":          {map[string]error{"a": context.Canceled}, 0, 0},
		"missing":            {map[string]error{"a": errdefs.ErrNotFound}, 30 * time.Second, 0},
		"denied":             {map[string]error{"a": errdefs.ErrDenied}, 30 * time.Second, 0},
		"one cut":            {map[string]error{"a": broken}, 10 * time.Second, 0},
		"one lie":            {map[string]error{"a": errdefs.ErrCorrupt}, 10 * time.Second, 0},
		"two cut":            {map[string]error{"a": broken, "b": broken}, 10 * time.Second, 0},
		"three cut":          {map[string]error{"a": broken, "b": broken, "c": broken}, 10 * time.Second, 10 * time.Second},
		"one busy":           {map[string]error{"a": said(503, time.Minute)}, time.Minute, 0},
		"busy for ever":      {map[string]error{"a": said(503, 1000*time.Hour)}, time.Hour, 0},
		"too many":           {map[string]error{"a": said(http.StatusTooManyRequests, time.Minute)}, time.Minute, time.Minute},
		"too many for ever":  {map[string]error{"a": said(http.StatusTooManyRequests, 1000*time.Hour)}, time.Hour, time.Hour},
		"too many for a bit": {map[string]error{"a": said(http.StatusTooManyRequests, 0)}, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1e9, 0)
			r := Of("up.example", func() time.Time { return now })
			for key, err := range c.heard {
				if got := r.Heard(key, err); (got == nil) != (err == nil) {
					t.Errorf("%v: %v", err, got)
				}
			}
			for key, wait := range map[string]time.Duration{"a": c.self, "other": c.all} {
				now = time.Unix(1e9, 0).Add(wait)
				if err := r.Spared(key); err != nil {
					t.Errorf("%s is spared for longer than %v: %v", key, wait, err)
				}
				now = now.Add(-time.Millisecond)
				if err := r.Spared(key); (err != nil) != (wait > 0) {
					t.Errorf("%s, before %v: %v", key, wait, err)
				}
			}
		})
	}
}

// TestDown: an upstream that was down is asked again, and one more failure will do; an
// answer makes it as one that never failed. What is remembered is bounded.
func TestDown(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	r := Of("up.example", func() time.Time { return now })
	broken := errors.New("the line was cut")
	fail := func(n int) {
		for i := range n {
			if r.Heard(fmt.Sprint(now, i), broken) == nil {
				t.Error("no error")
			}
		}
	}
	fail(enough)
	if r.Until().IsZero() {
		t.Error("it is not left alone")
	}
	now = now.Add(downFor)
	fail(1)
	if r.Until().IsZero() {
		t.Error("it is not left alone, after another failure")
	}
	now = now.Add(downFor)
	if err := r.Heard("a", nil); err != nil {
		t.Error(err)
	}
	fail(enough - 1)
	if !r.Until().IsZero() {
		t.Error("it is left alone, though it has answered")
	}
	if err := r.Heard("a", nil); err != nil {
		t.Error(err)
	}
	for i := range 2 * remembered {
		_ = r.Heard(fmt.Sprint("lie", i), errdefs.ErrCorrupt)
		_ = r.Heard(fmt.Sprint("none", i), errdefs.ErrNotFound)
	}
	if len(r.failing) > remembered || len(r.missing) > remembered || len(r.failed) > enough {
		t.Errorf("it remembers %d, %d, %d", len(r.failing), len(r.missing), len(r.failed))
	}
}
