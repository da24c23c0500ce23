package solve

import (
	"context"
	"errors"
	"sync"
	"time"

	"cove/builder/plan"
	"cove/builder/secret"
)

// EventKind says what happened to a vertex.
type EventKind int

// The kinds of Event, in the order in which a vertex goes through them.
const (
	// Started: the vertex is being worked on.
	Started EventKind = iota + 1
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
	Kind   EventKind
	Vertex *plan.Vertex
	// Index counts the steps of the build from 1, images of FROM included; Total
	// is how many there are, as far as that is known.
	Index, Total int
	Time         time.Time
	// Duration is set by Done, Failed and Canceled.
	Duration time.Duration
	// Stream is 1 or 2, Data what was written, of a Log.
	Stream int
	Data   []byte
	Err    error
	// Reason says why the cache did not have a Started vertex, in words.
	Reason string
}

// Progress is told every event, one at a time. It must not keep Event.Data.
type Progress func(Event)

// events tells events to one listener.
type events struct {
	mu    sync.Mutex
	fn    Progress
	now   func() time.Time
	total int
}

func (e *events) send(ev Event) {
	if e.fn == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	ev.Time, ev.Total = e.now(), e.total
	e.fn(ev)
}

// output returns a writer whose bytes become Log events of t, without secrets.
func (s *solver) output(t *task, stream int, tail *tail) *secret.Masker {
	return s.secrets.Masker(&logWriter{events: s.events, task: t, stream: stream, tail: tail})
}

type logWriter struct {
	events *events
	task   *task
	stream int
	tail   *tail
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.tail.add(p)
	w.events.send(Event{Kind: Log, Vertex: w.task.Vertex, Index: w.task.index, Stream: w.stream, Data: p})
	return len(p), nil
}

// ended sends how a task that was started ended.
func (e *events) ended(t *task, start time.Time, err error) {
	ev := Event{Kind: Done, Vertex: t.Vertex, Index: t.index, Duration: e.now().Sub(start), Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		ev.Kind = Canceled
	case err != nil:
		ev.Kind = Failed
	}
	e.send(ev)
}
