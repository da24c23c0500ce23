package event

import (
	"context"
	"errors"
	"sync"
	"time"

	"cove/builder/plan"
)

// Reporter tells a listener what goes on before, in and after the solve, one event at a
// time and with numbers that go on.
type Reporter struct {
	fn  func(Event)
	now func() time.Time

	mu     sync.Mutex
	before int // steps that were told of before the solve
	solved int // steps of the solve
	after  int
}

// NewReporter returns one for a listener, which may be nil.
func NewReporter(fn func(Event), now func() time.Time) *Reporter { return &Reporter{fn: fn, now: now} }

// Step does one of the builder's own steps and tells of it.
func (r *Reporter) Step(name string, do func() error) error {
	if r.fn == nil {
		return do()
	}
	v := &plan.Vertex{Name: name}
	r.mu.Lock()
	if r.solved == 0 {
		r.before++
	} else {
		r.after++
	}
	index := r.before + r.solved + r.after
	r.mu.Unlock()
	start := r.now()
	r.send(Event{Kind: Started, Vertex: v, Index: index})
	err := do()
	e := Event{Kind: Done, Vertex: v, Index: index, Duration: r.now().Sub(start), Err: err}
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind = Canceled
	case err != nil:
		e.Kind = Failed
	}
	r.send(e)
	return err
}

func (r *Reporter) send(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Time, e.Total = r.now(), r.before+r.solved+r.after
	r.fn(e)
}

// solving passes on an event of the solve.
func (r *Reporter) solving(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.solved = e.Total
	e.Index += r.before
	e.Total += r.before + 1 // and the export
	r.fn(e)
}

// Next is told that another solve may follow.
func (r *Reporter) Next() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.solved, r.after = r.before+r.solved+r.after, 0, 0
}

// Progress is what the solve is given: nil without a listener.
func (r *Reporter) Progress() Progress {
	if r.fn == nil {
		return nil
	}
	return r.solving
}
