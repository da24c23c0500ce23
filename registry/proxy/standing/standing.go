// Package standing is how an upstream of a proxy does, as this process sees it.
package standing

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"cove/errdefs"
)

// State is how an upstream stands with this process, since it was started or the
// settings of the proxy changed.
type State struct {
	// AnsweredAt is when the upstream last answered, also that it has not got
	// something; FailedAt when it last failed, with Failure as the reason. Zero is
	// never.
	AnsweredAt, FailedAt time.Time
	Failure              string
	// RestsUntil is until when it is left alone, because it was down or said so; zero
	// says that it is asked.
	RestsUntil time.Time
	// Hits were here, Misses came from the upstream, and Stale were here and may have
	// been out of date.
	Hits, Misses, Stale int64
	// Allowance is what the upstream said is left of what it allows.
	Allowance Allowance
}

// Standing gathers it. It is safe for concurrent use.
type Standing struct {
	Hits, Misses, Stale atomic.Int64

	mu                   sync.Mutex
	answeredAt, failedAt time.Time
	failure              string
	allowance            Allowance
}

// maxFailure bounds the reason that is kept, in bytes.
const maxFailure = 500

// Note keeps what an answer says of the upstream. One that refuses has answered, and
// is a failure all the same: mostly it does not take the credentials.
func (s *Standing) Note(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := errors.Is(err, errdefs.ErrDenied) || errors.Is(err, errdefs.ErrUnauthenticated)
	if err == nil || refused || errors.Is(err, errdefs.ErrNotFound) {
		s.answeredAt = now
	}
	if err == nil || errors.Is(err, errdefs.ErrNotFound) {
		return
	}
	s.failedAt, s.failure = now, err.Error()
	if len(s.failure) > maxFailure {
		s.failure = s.failure[:maxFailure] + "…"
	}
}

// State tells it.
func (s *Standing) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{
		AnsweredAt: s.answeredAt, FailedAt: s.failedAt, Failure: s.failure,
		Hits: s.Hits.Load(), Misses: s.Misses.Load(), Stale: s.Stale.Load(), Allowance: s.allowance,
	}
}
