package jobs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/span"
)

const (
	// every is how often a runner looks for work and for stops.
	every = 500 * time.Millisecond
	// lease is how long a job stays with a server that gives no sign of life. It is
	// renewed when a third of it is gone.
	lease = 15 * time.Second
	// sweepEvery is how often jobs are removed that ended long ago.
	sweepEvery = time.Minute
	// killedTwice is how often a job may take its server down beyond its tries.
	killedTwice = 2
)

// Kind is what jobs of a name do.
type Kind struct {
	Name string
	// Run does the work and tells what came of it. Its context ends when the job is
	// stopped, has run too long, or the server stops. An error of Final is not tried
	// again.
	Run func(ctx context.Context, w *Work) (note string, err error)
	// Tries is how often it is tried in all, 0 is once; Pause is how long to wait
	// after so many failures.
	Tries int
	Pause func(failures int) time.Duration
	// Limit is how many run at once in one server, 0 is one, and OfProject how many of
	// these about the same project, 0 is all: what waits for somebody who does not answer
	// must not keep other projects waiting. Longest is how long one may run, 0 is a day.
	Limit, OfProject int
	Longest          time.Duration
	// Ended, unless it is nil, is called within the transaction that ends a job for
	// good.
	Ended func(ctx context.Context, tx *metadata.Tx, j Job) error
}

// Work is a job as its kind sees it.
type Work struct {
	Job
	mu   sync.Mutex
	note string // that the row does not have yet
}

// Read decodes the arguments.
func (w *Work) Read(into any) error {
	if err := json.Unmarshal(w.Args, into); err != nil {
		return Final(errdefs.Errorf(errdefs.ErrInvalid, "the arguments of the job: %w", err))
	}
	return nil
}

// Remember has the next try of the work, by whichever server, begin with other arguments.
func (w *Work) Remember(ctx context.Context, database *metadata.DB, args any) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	err = database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return w.RememberIn(ctx, tx, json.RawMessage(text))
	})
	if err == nil {
		w.Args = text
	}
	return err
}

// RememberIn is Remember in the transaction of the work itself, which may still fail: this try
// keeps the arguments that it began with.
func (w *Work) RememberIn(ctx context.Context, tx *metadata.Tx, args any) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	_, err = tx.Tx.Exec(ctx, "UPDATE jobs SET args = $2 WHERE id = $1", w.ID, string(text))
	return db.Unavailable(err)
}

// Say tells how far the work is. It may be called often: only the newest is kept.
func (w *Work) Say(note string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note = CutText(note)
}

func (w *Work) said() (note string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	note, w.note = w.note, ""
	return note
}

// Final marks an error that another try would meet again.
func Final(err error) error { return &finalError{err} }

type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// Why the context of a job ends.
var (
	errStopped = errors.New("it was stopped")
	errTooLong = errors.New("it ran too long")
	errLost    = errors.New("another server has taken the job")
	errLeaving = errors.New("the server stops")
)

// Runner does the jobs that are due, in one server.
type Runner struct {
	db    *metadata.DB
	kinds map[string]Kind
	log   *slog.Logger
	id    string

	mu      sync.Mutex
	running map[int64]*run
	group   sync.WaitGroup
	renewed time.Time // by the database's clock, as all below
	swept   time.Time
	looked  time.Time // when step was there last
}

type run struct {
	work *Work
	end  context.CancelCauseFunc
}

// NewRunner returns a runner of these kinds.
func NewRunner(database *metadata.DB, log *slog.Logger, kinds ...Kind) *Runner {
	r := &Runner{db: database, log: log, id: rand.Text(), kinds: map[string]Kind{}, running: map[int64]*run{}}
	for _, k := range kinds {
		r.kinds[k.Name] = k
	}
	return r
}

// Run does jobs until ctx ends. What runs then is given back, and begun again by
// another server or by the next one.
func (r *Runner) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := r.step(ctx); err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "jobs could not be looked after; it will be tried again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.endAll(errLeaving)
			r.group.Wait()
			return
		}
	}
}

// step does all that a runner does from time to time.
func (r *Runner) step(ctx context.Context) error {
	return errors.Join(r.setBack(ctx), r.schedule(ctx), r.watch(ctx), r.take(ctx), r.sweep(ctx))
}

// setBack looks at the first step, and when the clock has been set back since the last
// one, for times that no server would have written by the clock as it is: leases that
// are longer than any is, and schedules whose next time is not their next one. Otherwise
// what was begun while a clock was a year ahead would rest for a year.
func (r *Runner) setBack(ctx context.Context) error {
	now := r.db.Now()
	before := r.looked
	r.looked = now
	if !before.IsZero() && now.After(before.Add(-lease)) {
		return nil
	}
	err := r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, `UPDATE jobs SET due_at = $1
			WHERE ended_at = 0 AND due_at > $2 AND state = 'running'`,
			db.Micros(tx.Now().Add(lease)), db.Micros(tx.Now().Add(2*lease)))
		if err != nil {
			return db.Unavailable(err)
		}
		return nextAgain(ctx, tx)
	})
	if err == nil {
		r.renewed = time.Time{} // of what runs here
	} else {
		r.looked = time.Time{} // at the next step
	}
	return err
}

// found says whether a SELECT 1 finds something, at the price of a read.
func (r *Runner) found(ctx context.Context, stmt string, args ...any) (bool, error) {
	some, err := db.All(ctx, r.db.Querier(), func(s db.Scanner) (one int, err error) {
		err = s.Scan(&one)
		return one, err
	}, stmt, args...)
	return len(some) > 0, err
}

func (r *Runner) schedule(ctx context.Context) error {
	due, err := r.found(ctx, "SELECT 1 FROM schedules WHERE next_at <= $1 LIMIT 1", db.Micros(r.db.Now()))
	if err != nil || !due {
		return err
	}
	return r.db.Update(ctx, addDue)
}

// watch looks whether the jobs that run here are still this server's and are to go
// on, renews their leases and writes down what they say.
func (r *Runner) watch(ctx context.Context) error {
	r.mu.Lock()
	runs := make(map[int64]*run, len(r.running))
	for id, one := range r.running {
		runs[id] = one
	}
	r.mu.Unlock()
	if len(runs) == 0 {
		return nil
	}
	stops := map[int64]bool{}
	if err := db.Each(ctx, r.db.Querier(), func(s db.Scanner) (bool, error) {
		var id, stop int64
		err := s.Scan(&id, &stop)
		stops[id] = stop != 0
		return true, err
	}, "SELECT id, stop FROM jobs WHERE runner = $1 AND ended_at = 0", r.id); err != nil {
		return err
	}
	notes := map[int64]string{}
	for id, one := range runs {
		switch stop, ours := stops[id]; {
		case !ours:
			one.end(errLost)
		case stop:
			one.end(errStopped)
		}
		if note := one.work.said(); note != "" {
			notes[id] = note
		}
	}
	renew := r.db.Now().Sub(r.renewed).Abs() > lease/3 // also when it was set
	if !renew && len(notes) == 0 {
		return nil
	}
	err := r.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error { return r.renew(ctx, tx.Tx, notes) })
	if err == nil {
		r.renewed = r.db.Now()
	}
	return err
}

func (r *Runner) renew(ctx context.Context, tx *db.Tx, notes map[int64]string) error {
	_, err := tx.Exec(ctx, "UPDATE jobs SET due_at = $2 WHERE runner = $1 AND ended_at = 0", r.id, db.Micros(tx.Now.Add(lease)))
	for id, note := range notes {
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE jobs SET note = $3 WHERE id = $1 AND runner = $2", id, r.id, note)
		}
	}
	return db.Unavailable(err)
}

// take begins what is due, as far as there is room for its kind.
func (r *Runner) take(ctx context.Context) error {
	due, err := r.found(ctx, "SELECT 1 FROM jobs WHERE ended_at = 0 AND due_at <= $1 LIMIT 1", db.Micros(r.db.Now()))
	if err != nil || !due {
		return err
	}
	held, err := paused(ctx, r.db.Querier())
	if err != nil {
		return err
	}
	for _, kind := range r.kinds {
		room := max(kind.Limit, 1) - r.count(kind.Name)
		if room <= 0 || held[kind.Name] {
			continue
		}
		// What waits of a kind that is paused must not have each step write for all others.
		due, err := r.found(ctx, "SELECT 1 FROM jobs WHERE kind = $1 AND ended_at = 0 AND due_at <= $2 LIMIT 1", kind.Name,
			db.Micros(r.db.Now()))
		if err != nil {
			return err
		}
		if !due {
			continue
		}
		var taken []Job
		err = r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
			taken, err = r.claim(ctx, tx, kind, room)
			return err
		})
		if err != nil {
			return err
		}
		for _, j := range taken {
			r.begin(ctx, kind, j)
		}
	}
	return nil
}

func (r *Runner) has(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[id] != nil
}

// full are the projects of which no more jobs of a kind are to run here, and how many run
// of each.
func (r *Runner) full(kind Kind) (full []string, running map[string]int) {
	running = map[string]int{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.running {
		if project := one.work.Project; one.work.Kind == kind.Name && kind.OfProject > 0 {
			if running[project]++; running[project] == kind.OfProject {
				full = append(full, project)
			}
		}
	}
	return full, running
}

func (r *Runner) count(kind string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.running {
		if one.work.Kind == kind {
			n++
		}
	}
	return n
}

// claim gives jobs to this server. One that took several servers down is given up.
func (r *Runner) claim(ctx context.Context, tx *metadata.Tx, kind Kind, n int) (taken []Job, err error) {
	full, running := r.full(kind)
	args, others := []any{kind.Name, db.Micros(tx.Now()), n}, ""
	for _, project := range full {
		args = append(args, project)
		others += " AND project <> $" + strconv.Itoa(len(args))
	}
	due, err := db.All(ctx, tx.Tx, scanJob, selectJobs+"WHERE kind = $1 AND ended_at = 0 AND due_at <= $2"+others+
		" ORDER BY due_at LIMIT $3"+tx.Tx.SkipLocked, args...)
	if err != nil {
		return nil, err
	}
	for _, j := range due {
		if r.has(j.ID) { // its lease has ended for a clock that was set
			continue
		}
		if running[j.Project]++; kind.OfProject > 0 && running[j.Project] > kind.OfProject {
			continue // it is begun when one of its project has ended
		}
		if j.Stopping || j.State == Running && j.Attempts >= max(kind.Tries, 1)+killedTwice {
			j.State, j.Error = Failed, fmt.Sprintf("its server ended %d times while it ran", j.Attempts)
			if j.Stopping {
				j.State, j.Error = Stopped, ""
			}
			if err := end(ctx, tx, kind, j); err != nil {
				return nil, err
			}
			continue
		}
		if _, err := tx.Tx.Exec(ctx, `UPDATE jobs SET state = 'running', runner = $2, due_at = $3, started_at = $4,
			attempts = attempts + 1 WHERE id = $1`, j.ID, r.id, db.Micros(tx.Now().Add(lease)), db.Micros(tx.Now())); err != nil {
			return nil, db.Unavailable(err)
		}
		j.State, j.StartedAt, j.Attempts = Running, tx.Now(), j.Attempts+1
		taken = append(taken, j)
	}
	return taken, nil
}

// begin runs a job beside the others.
func (r *Runner) begin(ctx context.Context, kind Kind, j Job) {
	longest := kind.Longest
	if longest == 0 {
		longest = 24 * time.Hour
	}
	// Not the runner's own context: its end gives the job back, with a reason.
	ctx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := time.AfterFunc(longest, func() { end(errTooLong) })
	w := &Work{Job: j}
	r.mu.Lock()
	r.running[j.ID] = &run{w, end}
	r.mu.Unlock()
	r.group.Go(func() {
		defer end(nil)
		defer timer.Stop()
		note, err := perform(ctx, kind, w)
		r.finish(ctx, kind, w, note, err)
		r.mu.Lock()
		delete(r.running, j.ID)
		r.mu.Unlock()
	})
}

// perform runs a kind's code. A fault in it must not take the server down.
func perform(ctx context.Context, kind Kind, w *Work) (note string, err error) {
	ctx, end := span.Work(ctx, "job "+w.Kind, w.Subject)
	defer func() {
		if fault := recover(); fault != nil {
			err = Final(fmt.Errorf("a fault in the registry: %v\n%s", fault, debug.Stack()))
		}
		end(err)
	}()
	return kind.Run(ctx, w)
}

// finish writes down what came of a job.
func (r *Runner) finish(ctx context.Context, kind Kind, w *Work, note string, err error) {
	cause := context.Cause(ctx)
	ctx = context.WithoutCancel(ctx)
	if errors.Is(cause, errLost) {
		r.log.WarnContext(ctx, "a job was lost to another server", "kind", w.Kind, "job", w.ID)
		return
	}
	j := w.Job
	j.Note = CutText(note)
	if j.Note == "" {
		j.Note = w.said()
	}
	store := r.outcome(&j, kind, cause, err)
	stored := r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		ours, err := db.All(ctx, tx.Tx, db.ScanString,
			"SELECT runner FROM jobs WHERE id = $1 AND runner = $2 AND ended_at = 0"+tx.Tx.ForUpdate, j.ID, r.id)
		if err != nil || len(ours) == 0 {
			return err
		}
		return store(ctx, tx)
	})
	if stored != nil { // its lease ends, and it is done again
		r.log.ErrorContext(ctx, "what came of a job could not be kept", "kind", j.Kind, "job", j.ID, "error", stored)
	}
}

// outcome is what is to be written of a job that has returned.
func (r *Runner) outcome(j *Job, kind Kind, cause, err error) func(context.Context, *metadata.Tx) error {
	var final *finalError
	if err != nil {
		j.Error = CutText(err.Error())
	}
	switch {
	case err == nil:
		j.State, j.Error = Done, ""
	case errors.Is(cause, errStopped):
		j.State, j.Error = Stopped, ""
	case errors.Is(cause, errLeaving):
		j.Error = ""
		return func(ctx context.Context, tx *metadata.Tx) error { return giveBack(ctx, tx.Tx, *j, tx.Now(), -1) }
	case errors.Is(cause, errTooLong):
		j.State, j.Error = Failed, CutText(fmt.Sprintf("%v: %v", errTooLong, err))
	case errors.As(err, &final) || j.Attempts >= max(kind.Tries, 1):
		j.State = Failed
	default:
		pause := time.Minute
		if kind.Pause != nil {
			pause = kind.Pause(j.Attempts)
		}
		return func(ctx context.Context, tx *metadata.Tx) error {
			return giveBack(ctx, tx.Tx, *j, tx.Now().Add(pause), 0)
		}
	}
	if j.State == Failed {
		r.log.Error("a job failed", "kind", j.Kind, "job", j.ID, "subject", j.Subject, "error", j.Error)
	}
	return func(ctx context.Context, tx *metadata.Tx) error { return end(ctx, tx, kind, *j) }
}

// giveBack has a job wait again; attempts is added to those it had.
func giveBack(ctx context.Context, tx *db.Tx, j Job, due time.Time, attempts int) error {
	_, err := tx.Exec(ctx, `UPDATE jobs SET state = 'waiting', runner = '', due_at = $2, attempts = attempts + $3, error = $4
		WHERE id = $1`, j.ID, db.Micros(due), attempts, j.Error)
	return db.Unavailable(err)
}

// end writes that a job is over.
func end(ctx context.Context, tx *metadata.Tx, kind Kind, j Job) error {
	if _, err := tx.Tx.Exec(ctx, `UPDATE jobs SET state = $2, runner = '', ended_at = $3, note = $4, error = $5 WHERE id = $1`,
		j.ID, string(j.State), db.Micros(tx.Now()), j.Note, j.Error); err != nil {
		return db.Unavailable(err)
	}
	if kind.Ended == nil {
		return nil
	}
	return kind.Ended(ctx, tx, j)
}

func (r *Runner) endAll(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.running {
		one.end(cause)
	}
}

// sweep keeps the table bounded.
func (r *Runner) sweep(ctx context.Context) error {
	if r.db.Now().Sub(r.swept).Abs() < sweepEvery {
		return nil
	}
	r.swept = r.db.Now()
	for name := range r.kinds {
		old, err := r.found(ctx, "SELECT 1 FROM jobs WHERE kind = $1 AND ended_at > 0 AND ended_at < $2 LIMIT 1",
			name, db.Micros(r.db.Now().Add(-keptFor)))
		if err != nil {
			return err
		}
		many, err := r.found(ctx, `SELECT 1 FROM jobs WHERE kind = $1 AND ended_at > 0
			ORDER BY ended_at DESC LIMIT 1 OFFSET $2`, name, kept)
		if err != nil {
			return err
		}
		if !old && !many {
			continue
		}
		err = r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error { return forget(ctx, tx.Tx, name) })
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes what ended long ago, and all but the newest that have ended.
func forget(ctx context.Context, tx *db.Tx, kind string) error {
	const batch = 10_000
	_, err := tx.Exec(ctx, "DELETE FROM jobs WHERE kind = $1 AND ended_at > 0 AND ended_at < $2", kind,
		db.Micros(tx.Now.Add(-keptFor)))
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE kind = $1 AND ended_at > 0
			ORDER BY ended_at DESC LIMIT $2 OFFSET $3)`, kind, batch, kept)
	}
	return db.Unavailable(err)
}

// CutText is as much of a text as a row keeps, and nothing that a database refuses.
func CutText(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), maxNote)], "\x00", ""), "")
}
