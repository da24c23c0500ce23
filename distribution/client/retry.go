package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
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
	if !passing(err) {
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
		return err
	}
	if r.tell != nil {
		r.tell(err, wait)
	}
	return r.c.cfg.Sleep(ctx, wait)
}

// retry calls do until it succeeds or may not be tried again.
func (c *Client) retry(ctx context.Context, do func() error) error {
	r := c.retrier(nil)
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

// passing says that the same call may work later: the peer was away, busy, or
// cut the line.
func passing(err error) bool {
	var never *firstContact
	if errors.As(err, &never) {
		return false
	}
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errdefs.ErrUnavailable):
		return true
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	case errors.As(err, &record):
		return false
	}
	return errors.As(err, &op)
}

// firstContact is the failure to reach a registry that was never reached: it
// is likelier misspelt than down for a moment.
type firstContact struct{ error }

func (e *firstContact) Unwrap() error { return e.error }
