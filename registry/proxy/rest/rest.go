// Package rest decides which questions an upstream is spared, and for how long: what
// it does not have, what has just failed, and all of them while it is down or asks to
// be left alone.
//
// One thing that fails is not an upstream that is down: a blob whose line is always
// cut, or a manifest that its storage has lost, would else take the whole project
// with it, as often as somebody asks for it.
package rest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
)

const (
	// downFor is how long what failed is not asked for again, if the upstream does not
	// say; maxPause is the longest that it may say.
	downFor  = 10 * time.Second
	maxPause = time.Hour
	// missingFor is how long what the upstream does not have is not asked for again.
	missingFor = 30 * time.Second
	// enough is how many things fail, with no answer between them, until the upstream
	// is held to be down.
	enough = 3
	// remembered bounds what is kept in memory of each kind.
	remembered = 8192
)

// Times remembers a bounded number of moments.
type Times map[string]time.Time

// Set keeps one.
func (t Times) Set(key string, at time.Time) {
	if len(t) >= remembered {
		clear(t)
	}
	t[key] = at
}

// Rest is that of one upstream. It is safe for concurrent use.
type Rest struct {
	host string
	now  func() time.Time

	mu      sync.Mutex
	until   time.Time // all of it is left alone
	why     error
	missing Times // what it does not have, until when that is believed
	failing map[string]failure
	failed  map[string]bool // what has failed since it last answered
}

// failure is why a thing is not asked for.
type failure struct {
	until time.Time
	why   error
}

// Of spares an upstream that has failed in nothing yet.
func Of(host string, now func() time.Time) *Rest {
	return &Rest{host: host, now: now, missing: Times{}, failing: map[string]failure{}, failed: map[string]bool{}}
}

// Until is until when the upstream is asked for nothing; zero says that it is asked.
func (r *Rest) Until() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.until) {
		return r.until
	}
	return time.Time{}
}

// Spared is the answer to a question that the upstream is not to hear now; nil has it
// asked. key names what is asked for.
func (r *Rest) Spared(key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now.Before(r.until) {
		return r.unavailable(r.why, r.until.Sub(now))
	}
	if f := r.failing[key]; now.Before(f.until) {
		return r.unavailable(f.why, f.until.Sub(now))
	}
	if now.Before(r.missing[key]) {
		return errdefs.Errorf(errdefs.ErrNotFound, "%s has no %s", r.host, key)
	}
	return nil
}

// Heard draws the conclusions of an answer, and returns the error that clients see.
func (r *Rest) Heard(key string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	var answer *errcode.Error
	told := errors.As(err, &answer)
	wait := downFor
	if told {
		wait = min(max(answer.RetryAfter, downFor), maxPause)
	}
	switch {
	case err == nil:
		delete(r.failing, key)
		clear(r.failed)
		return nil
	case told && answer.Status == http.StatusTooManyRequests:
		wait = min(max(answer.RetryAfter, time.Second), maxPause)
		r.until, r.why = now.Add(wait), err
	case errors.Is(err, errdefs.ErrNotFound),
		errors.Is(err, errdefs.ErrDenied), errors.Is(err, errdefs.ErrUnauthenticated):
		// docker.io says of a repository that it has not got that one may not see it.
		clear(r.failed)
		r.missing.Set(key, now.Add(missingFor))
		return errdefs.Errorf(errdefs.ErrNotFound, "%s does not give %s: %v", r.host, key, err)
	case told && answer.Status < http.StatusInternalServerError, errors.Is(err, errdefs.ErrCorrupt),
		errors.Is(err, errdefs.ErrInvalid), errors.Is(err, errdefs.ErrExhausted):
		clear(r.failed) // it is there, and what it says is wrong
		r.spare(key, failure{now.Add(wait), err})
	default:
		r.spare(key, failure{now.Add(wait), err})
		if len(r.failed) < enough {
			r.failed[key] = true
		}
		if len(r.failed) == enough { // and, until it answers, with the next failure at once
			r.until, r.why = now.Add(wait), err
		}
	}
	return r.unavailable(err, wait)
}

// spare has a thing not asked for.
func (r *Rest) spare(key string, f failure) {
	if len(r.failing) >= remembered {
		clear(r.failing)
	}
	r.failing[key] = f
}

// unavailable is the answer while the upstream gives none. What it said of itself,
// as a challenge, is not for our clients.
func (r *Rest) unavailable(err error, wait time.Duration) error {
	e := &errcode.Error{
		Code: errcode.Unavailable, Status: http.StatusServiceUnavailable, Kind: errdefs.ErrUnavailable,
		RetryAfter: wait,
		Message:    "the registry " + r.host + ", which this project is a proxy of, does not give it now",
		Err:        errdefs.Errorf(errdefs.ErrUnavailable, "upstream %s: %v", r.host, err),
	}
	var answer *errcode.Error
	if errors.As(err, &answer) && answer.Status == http.StatusTooManyRequests {
		e.Code, e.Status = errcode.TooManyRequests, http.StatusTooManyRequests
		e.Message = "the registry " + r.host + ", which this project is a proxy of, asks to be left alone for a while"
	}
	return e
}
