// Package retry decides whether what failed at a registry is tried again: what may
// pass is, with growing waits and for as long as the policy has patience.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cove/distribution/client/wire"
	"cove/distribution/errcode"
)

const (
	firstWait = 100 * time.Millisecond
	maxWait   = 5 * time.Second
)

// Policy is how long is tried, and by which clock.
type Policy struct {
	// For is how long without progress.
	For   time.Duration
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Tell, when set, hears why something that Do does is tried again, once it takes
	// more than a moment, and for how long it is at most.
	Tell func(err error, most time.Duration)
}

// Budget is what one transfer has left of a Policy. It counts from the last
// progress: a slow, often cut transfer that gets anywhere is never given up.
type Budget struct {
	policy Policy
	since  time.Time // of the last progress
	next   time.Duration
	tell   func(err error, wait time.Duration)
}

// Begin gives one transfer its budget. tell, which may be nil, hears of each wait.
func (p Policy) Begin(tell func(err error, wait time.Duration)) *Budget {
	return &Budget{policy: p, since: p.Now(), next: firstWait, tell: tell}
}

// Progressed starts the budget anew.
func (b *Budget) Progressed() {
	b.since, b.next = b.policy.Now(), firstWait
}

// Again waits and returns nil when the transfer should be tried again, or
// returns why not: err itself.
func (b *Budget) Again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !wire.Passing(err) {
		return err
	}
	// Half of the wait is chance, so that clients cut at once come back apart.
	wait := b.next/2 + rand.N(b.next/2+1)
	b.next = min(2*b.next, maxWait)
	var e *errcode.Error
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	if b.policy.Now().Add(wait).Sub(b.since) > b.policy.For {
		if e != nil && e.RetryAfter > b.policy.For {
			err = fmt.Errorf("%w; it asks to be left alone for %s", err, inWords(e.RetryAfter))
		}
		return err
	}
	if b.tell != nil {
		b.tell(err, wait)
	}
	return b.policy.Sleep(ctx, wait)
}

// inWords is a registry's Retry-After, which one that is wrong about the year makes of
// any length.
func inWords(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 2 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Round(time.Second).String()
}

// Do calls do until it succeeds or may not be tried again.
func (p Policy) Do(ctx context.Context, do func() error) error {
	var waited time.Duration
	told := p.Tell == nil
	b := p.Begin(func(err error, wait time.Duration) {
		if waited += wait; waited > maxWait/2 && !told {
			told = true
			p.Tell(err, p.For)
		}
	})
	for {
		err := do()
		if err == nil {
			return nil
		}
		if err := b.Again(ctx, err); err != nil {
			return err
		}
	}
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
