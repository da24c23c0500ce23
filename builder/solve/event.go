package solve

import (
	"time"

	"cove/builder/plan"
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
	// Index counts the vertices of the build from 1; Total is how many there are.
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
