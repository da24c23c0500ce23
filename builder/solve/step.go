package solve

import (
	"context"
	"sync"
	"time"

	"cove/builder/event"

	"github.com/opencontainers/go-digest"
)

// step is the work on one task: its slot, its time, what listeners were told.
type step struct {
	task   *task
	solver *solver

	start    time.Time
	laidOut  time.Time // of a COPY or WORKDIR, see target
	took     time.Duration
	started  bool
	ended    bool
	slotless bool
}

// hit ends the step with a known result: it packs what the image wants and was
// never packed, and notes it.
func (st *step) hit(ctx context.Context, r *result, keys ...digest.Digest) error {
	s := st.solver
	s.mu.Lock()
	s.cached++
	s.mu.Unlock()
	s.events.Send(st.task.event(event.Cached))
	st.ended = true
	st.task.publish(r)
	st.release()
	if r.made && r.packed() && len(st.task.targets) > 0 && s.Remote != nil && !s.Lazy {
		s.Remote.Want(s.outer, r.layer()) // the image will have it
	}
	if !st.task.wanted || !r.made || r.packed() {
		return nil
	}
	if err := s.pack(ctx, r); err != nil {
		return err
	}
	return s.remember(ctx, st, r, keys...)
}

// begin tells that the step is executed.
func (st *step) begin(reason string) {
	if st.started {
		return // a COPY that reads once more
	}
	st.start, st.started = st.solver.Now(), true
	ev := st.task.event(event.Started)
	ev.Reason = reason
	st.solver.events.Send(ev)
}

// finish publishes an executed step's result and frees its slot: those that
// wait for the files go on, while this goroutine may go on to pack.
func (st *step) finish(r *result) {
	now := st.solver.Now()
	st.took, r.created = now.Sub(st.start), now.UTC().Truncate(time.Second)
	if !st.laidOut.IsZero() {
		r.created = st.laidOut
	}
	st.task.publish(r)
	st.release()
	st.end(nil)
}

// end tells how the step ended, once.
func (st *step) end(err error) {
	if st.ended || !st.started {
		return
	}
	st.ended = true
	st.solver.events.Ended(st.task.event(event.Done), st.start, err)
}

// release frees the step's slot, once.
func (st *step) release() {
	if !st.slotless {
		st.slotless = true
		st.solver.release()
	}
}

// once does something until it has succeeded, for one caller at a time.
type once struct {
	mu   sync.Mutex
	done bool
}

func (o *once) do(fn func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return nil
	}
	err := fn()
	o.done = err == nil
	return err
}
