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
	return r.LoggedStep(name, func(func(string)) error { return do() })
}

// LoggedStep is Step for one that has more to say: log tells a line of it.
func (r *Reporter) LoggedStep(name string, do func(log func(text string)) error) error {
	st := r.Begin(name)
	err := do(st.Log)
	st.End(err)
	return err
}

// Beside is one of the builder's own steps that goes on beside others.
type Beside struct {
	to    *Reporter
	of    Event
	start time.Time
}

// Begin tells that a step has begun. It is ended by End.
func (r *Reporter) Begin(name string) *Beside {
	b := &Beside{to: r, of: Event{Vertex: &plan.Vertex{Name: name}}}
	if r.fn == nil {
		return b
	}
	r.mu.Lock()
	if r.solved == 0 {
		r.before++
	} else {
		r.after++
	}
	b.of.Index = r.before + r.solved + r.after
	r.mu.Unlock()
	b.start = r.now()
	b.tell(Started, nil)
	return b
}

// Log tells a line of what the step does.
func (b *Beside) Log(text string) {
	ev := b.of
	ev.Kind, ev.Stream, ev.Data = Log, 1, []byte(text+"\n")
	b.to.send(ev)
}

// End tells how the step has ended.
func (b *Beside) End(err error) {
	kind := Done
	switch {
	case errors.Is(err, context.Canceled):
		kind = Canceled
	case err != nil:
		kind = Failed
	}
	b.tell(kind, err)
}

func (b *Beside) tell(kind Kind, err error) {
	ev := b.of
	ev.Kind, ev.Err = kind, err
	if kind != Started && b.to.fn != nil {
		ev.Duration = b.to.now().Sub(b.start)
	}
	b.to.send(ev)
}

func (r *Reporter) send(e Event) {
	if r.fn == nil {
		return
	}
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
	e.Total += r.before + r.after + 1 // and the export
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
