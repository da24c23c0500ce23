package client

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

// retrier decides whether one transfer goes on after a failure. The budget
// counts from the last progress: a slow, often cut transfer that gets anywhere
// is never given up.
type retrier struct {
	c     *Client
	since time.Time // of the last progress
	next  time.Duration
	tell  func(err error, wait time.Duration)
}

func (c *Client) retrier(tell func(err error, wait time.Duration)) *retrier {
	return &retrier{c: c, since: c.cfg.Now(), next: firstWait, tell: tell}
}

// progressed starts the budget anew.
func (r *retrier) progressed() {
	r.since, r.next = r.c.cfg.Now(), firstWait
}

// again waits and returns nil when the transfer should be tried again, or
// returns why not: err itself.
func (r *retrier) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !wire.Passing(err) {
		return err
	}
	// Half of the wait is chance, so that clients cut at once come back apart.
	wait := r.next/2 + rand.N(r.next/2+1)
	r.next = min(2*r.next, maxWait)
	var e *errcode.Error
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	if r.c.cfg.Now().Add(wait).Sub(r.since) > r.c.cfg.RetryFor {
		if e != nil && e.RetryAfter > r.c.cfg.RetryFor {
			err = fmt.Errorf("%w; it asks to be left alone for %s", err, patience(e.RetryAfter))
		}
		return err
	}
	if r.tell != nil {
		r.tell(err, wait)
	}
	return r.c.cfg.Sleep(ctx, wait)
}

// patience is a registry's Retry-After in words, which a registry that is wrong about
// the year makes of any length.
func patience(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 2 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Round(time.Second).String()
}

// retry calls do until it succeeds or may not be tried again. That it takes longer than
// a moment is told once.
func (c *Client) retry(ctx context.Context, do func() error) error {
	var waited time.Duration
	told := c.cfg.OnRetry == nil
	r := c.retrier(func(err error, wait time.Duration) {
		if waited += wait; waited > maxWait/2 && !told {
			told = true
			c.cfg.OnRetry(err, c.cfg.RetryFor)
		}
	})
	for {
		err := do()
		if err == nil {
			return nil
		}
		if err := r.again(ctx, err); err != nil {
			return err
		}
	}
}
