// Package event is what a build tells of its steps.
package event

import (
	"context"
	"errors"
	"sync"
	"time"

	"cove/builder/plan"
)

// Kind says what happened to a vertex.
type Kind int

// The kinds of Event, in the order in which a vertex goes through them.
const (
	// Started: the vertex is being worked on.
	Started Kind = iota + 1
	// Log: the command wrote Event.Data.
	Log
	// Cached: the result was known; the vertex is done.
	Cached
	// Done: the vertex was executed.
	Done
	// Failed: the vertex failed with Event.Err.
	Failed
	// Canceled: another vertex failed, or the build was interrupted.
	Canceled
)

// Event is one step of progress.
type Event struct {
	Kind   Kind
	Vertex *plan.Vertex
	// Index counts the steps of the build from 1, images of FROM included; Total
	// is how many there are, as far as that is known.
	Index, Total int
	Time         time.Time
	// Duration is set by Done, Failed and Canceled.
	Duration time.Duration
	// Stream is 1, for both of a command's own, and Data what was written, of a Log.
	Stream int
	Data   []byte
	Err    error
	// Reason says why the cache did not have a Started vertex, in words.
	Reason string
}

// Progress is told every event, one at a time. It must not keep Event.Data.
type Progress func(Event)

// Teller tells events to one listener.
type Teller struct {
	mu sync.Mutex
	// To is told; nil is nobody.
	To  Progress
	Now func() time.Time
	// Total is how many steps there are, as far as that is known.
	Total int
}

// Send tells an event, at this time.
func (e *Teller) Send(ev Event) {
	if e.To == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	ev.Time, ev.Total = e.Now(), e.Total
	e.To(ev)
}

// Ended tells how a step that began at start has ended; ev says which it is.
func (e *Teller) Ended(ev Event, start time.Time, err error) {
	ev.Kind, ev.Duration, ev.Err = Done, e.Now().Sub(start), err
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		ev.Kind = Canceled
	case err != nil:
		ev.Kind = Failed
	}
	e.Send(ev)
}
