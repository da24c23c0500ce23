package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/time/rate"

	"cove/distribution/copy"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/internal/plural"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/replication/endpoint"
	"cove/registry/replication/side"
)

const (
	// atOnce is how many tags of a run are copied at once.
	atOnce = 4
	// tries is how often a tag is tried within a run.
	tries = 3
	// keptRuns is how many runs of a rule are remembered with their tags.
	keptRuns = 30
	// piece is the most that a limited line moves at once.
	piece = 64 << 10
)

// owner is who history and audit say has stored what was pulled. No account has such
// a name.
var owner = auth.Caller{Name: "(replication)", Admin: true}

// Kind is the job that is a run. A run that cannot begin, as when the endpoint does not
// answer, is tried again.
func (s *Service) Kind() jobs.Kind {
	return jobs.Kind{
		Name: JobKind, Run: s.perform, Limit: 4, Tries: tries, Ended: s.ended,
		Pause: func(failures int) time.Duration { return s.cfg.Pause(failures) },
	}
}

// running is a run that goes on in this process.
type running struct {
	s     *Service
	id    int64
	rule  Rule
	order order
	work  *jobs.Work
	line  *endpoint.Line
	from  side.Side
	to    side.Side
	slow  *rate.Limiter // nil without one

	mu    sync.Mutex
	sent  int64 // bytes, that the row does not have yet
	total int64 // bytes, all of them
	done  int64 // tags
	wrote time.Time
}

func (s *Service) perform(ctx context.Context, w *jobs.Work) (string, error) {
	r, err := s.open(ctx, w)
	if err != nil {
		return "", err
	}
	defer r.line.Close()
	ctx = auth.WithCaller(ctx, owner)
	err = r.carryOut(ctx)
	if stored := r.flush(context.WithoutCancel(ctx)); err == nil {
		err = stored
	}
	note, failures := r.outcome(context.WithoutCancel(ctx))
	if err == nil && failures != nil {
		err = jobs.Final(failures)
	}
	return note, err
}

// open reads what the run is of.
func (s *Service) open(ctx context.Context, w *jobs.Work) (*running, error) {
	r := &running{s: s, id: w.ID, work: w}
	if err := w.Read(&r.order); err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(w.Subject, 10, 64)
	if err != nil {
		return nil, jobs.Final(err)
	}
	if r.rule, err = ruleByID(ctx, s.db.Querier(), id); err != nil {
		return nil, jobs.Final(err)
	}
	if err := r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return addRun(ctx, tx.Tx, r.id, r.rule.ID, r.order.Cause)
	}); err != nil {
		return nil, err
	}
	e, err := endpoint.Named(ctx, s.db.Querier(), r.rule.Endpoint)
	if err != nil {
		return nil, err
	}
	if r.line, err = s.cfg.Endpoints.Dial(e, s.cfg.Client); err != nil {
		return nil, jobs.Final(err)
	}
	local, remote := side.Side(side.Here{Registry: s.cfg.Registry}), side.Side(side.There{Line: r.line})
	r.from, r.to = local, remote
	if r.rule.Direction == Pull {
		r.from, r.to = remote, local
	}
	if n := r.rule.Rate; n > 0 {
		r.slow = rate.NewLimiter(rate.Limit(n), int(min(n, piece)))
	}
	return r, nil
}

// target is what a repository of the source is called at the target.
func (r *running) target(repo string) string {
	name := r.rule.Target(repo)
	if r.rule.Direction == Pull {
		return metadata.CanonicalName(name)
	}
	return name
}

// carryOut plans the run and does it: what there is, what happened meanwhile, and, after
// a pause, what failed.
func (r *running) carryOut(ctx context.Context) error {
	planned, err := db.All(ctx, r.s.db.Querier(), db.ScanString,
		"SELECT cause FROM replication_runs WHERE id = $1 AND planned = 1", r.id)
	if err == nil && len(planned) == 0 {
		err = r.plan(ctx)
	}
	if err != nil {
		return err
	}
	for failures := 0; ; {
		some, err := r.pending(ctx)
		if err != nil {
			return err
		}
		if err := r.all(ctx, failures); err != nil {
			return err
		}
		if some {
			continue
		}
		if failures++; failures == tries || !r.failed(ctx, failures) {
			return ctx.Err()
		}
		select {
		case <-time.After(r.s.cfg.Pause(failures)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed says whether there is something to try again.
func (r *running) failed(ctx context.Context, attempts int) bool {
	some, err := r.items(ctx, attempts, 1)
	return err == nil && len(some) > 0
}

// items are tags to be done: those that wait, and those that failed attempts times.
func (r *running) items(ctx context.Context, attempts, n int) ([]Item, error) {
	all, err := db.All(ctx, r.s.db.Querier(), scanItem, selectItems+
		"WHERE run_id = $1 AND state = 'waiting' ORDER BY repository, tag LIMIT $2", r.id, n)
	if err != nil || len(all) > 0 || attempts == 0 {
		return all, err
	}
	return db.All(ctx, r.s.db.Querier(), scanItem, selectItems+
		"WHERE run_id = $1 AND state = 'failed' AND attempts <= $2 ORDER BY repository, tag LIMIT $3", r.id, attempts, n)
}

// all does what waits and what failed no more than so many times.
func (r *running) all(ctx context.Context, attempts int) error {
	for {
		some, err := r.items(ctx, attempts, batch)
		if err != nil || len(some) == 0 {
			return err
		}
		err = limit.Each(ctx, atOnce, func(yield func(Item) bool) {
			for _, item := range some {
				if !yield(item) {
					return
				}
			}
		}, r.one)
		if err != nil {
			return err
		}
	}
}

// one does a tag and writes what came of it. Only what ends the run is an error.
func (r *running) one(ctx context.Context, item Item) error {
	r.say()
	was := item
	item.Bytes = 0
	err := r.do(ctx, &item)
	if ctx.Err() != nil {
		return ctx.Err() // it waits still
	}
	item.Attempts++
	if err != nil {
		item.State, item.Note = Failed, jobs.CutText(err.Error())
		if final(err) {
			item.Attempts = tries
		}
		r.s.cfg.Log.WarnContext(ctx, "a tag was not replicated", "rule", r.rule.Name, "run", r.id,
			"repository", item.Repository, "tag", item.Tag, "error", err)
	}
	r.mu.Lock()
	r.done++
	r.mu.Unlock()
	return r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return r.write(ctx, tx.Tx, was, item) })
}

// final says whether another try would meet the same.
func final(err error) bool {
	for _, kind := range []error{
		errdefs.ErrDenied, errdefs.ErrUnauthenticated, errdefs.ErrInvalid, errdefs.ErrUnsupported,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// write keeps what came of a tag, and, of a copy, what is where now.
func (r *running) write(ctx context.Context, tx *db.Tx, was, item Item) error {
	if _, err := tx.Exec(ctx, `UPDATE replication_items SET state = $4, digest = $5, attempts = $6, bytes = $7, note = $8,
		ended_at = $9 WHERE run_id = $1 AND repository = $2 AND tag = $3`, r.id, item.Repository, item.Tag,
		string(item.State), item.Digest.String(), item.Attempts, was.Bytes+item.Bytes, item.Note,
		db.Micros(tx.Now)); err != nil {
		return db.Unavailable(err)
	}
	switch {
	case item.State == Copied || item.State == Unchanged:
		_, err := tx.Exec(ctx, `INSERT INTO replication_copies (rule_id, repository, tag, target, digest, at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (rule_id, repository, tag) DO UPDATE
			SET target = excluded.target, digest = excluded.digest, at = excluded.at`,
			r.rule.ID, item.Repository, item.Tag, item.Target, item.Digest.String(), db.Micros(tx.Now))
		return db.Unavailable(err)
	case item.State == Deleted || item.Delete && item.State != Failed:
		_, err := tx.Exec(ctx, "DELETE FROM replication_copies WHERE rule_id = $1 AND repository = $2 AND tag = $3",
			r.rule.ID, item.Repository, item.Tag)
		return db.Unavailable(err)
	}
	return nil
}

func (r *running) update(ctx context.Context, do func(context.Context, *metadata.Tx) error) error {
	return r.s.db.Update(ctx, do)
}

// limited is a source as fast as the rule lets it be.
func (r *running) limited(src copy.Source) copy.Source {
	if r.slow == nil {
		return src
	}
	return side.Slowed{Source: src, Wait: r.slow.WaitN, Most: r.slow.Burst()}
}

// say tells how far the run is, and now and then writes how much was sent.
func (r *running) say() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.work.Say(plural.Sprintf("%d tags done, %s sent", r.done, units.HumanSize(float64(r.total))))
}

// count adds bytes that were sent.
func (r *running) count(ctx context.Context, n int64) {
	const every = time.Second
	r.mu.Lock()
	r.sent += n
	r.total += n
	due := time.Since(r.wrote) > every
	if due {
		r.wrote = time.Now()
	}
	r.mu.Unlock()
	if due {
		r.say()
		if err := r.flush(ctx); err != nil {
			r.s.cfg.Log.WarnContext(ctx, "how far a run is was not written", "run", r.id, "error", err)
		}
	}
}

// flush writes how much was sent.
func (r *running) flush(ctx context.Context) error {
	r.mu.Lock()
	n := r.sent
	r.sent = 0
	r.mu.Unlock()
	if n == 0 {
		return nil
	}
	return r.s.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "UPDATE replication_runs SET bytes = bytes + $2 WHERE id = $1", r.id, n)
		return db.Unavailable(err)
	})
}

// outcome is what the run tells at its end, and what of it has failed. Runs from long
// ago are forgotten.
func (r *running) outcome(ctx context.Context) (note string, failures error) {
	run, err := r.s.run(ctx, r.work.Job)
	if err != nil {
		return "", err
	}
	note = fmt.Sprintf(
		"%d copied, %d unchanged, %d deleted, %d left, %s sent",
		run.Counts[Copied],
		run.Counts[Unchanged],
		run.Counts[Deleted],
		run.Counts[Kept]+run.Counts[Skipped],
		units.HumanSize(float64(run.Bytes)),
	)
	if n := run.Counts[Failed]; n > 0 {
		first, err := db.All(ctx, r.s.db.Querier(), scanItem, selectItems+
			"WHERE run_id = $1 AND state = 'failed' ORDER BY repository, tag LIMIT 1", r.id)
		if err != nil || len(first) == 0 {
			return note, err
		}
		failures = errdefs.Errorf(errdefs.ErrUnavailable, "%d of %d tags failed; the first, %s:%s: %s", n, run.Total(),
			first[0].Repository, first[0].Tag, first[0].Note)
	}
	return note, errors.Join(failures, r.forget(ctx))
}

// forget removes what is known of the rule's old runs, and of uploads that their
// registries have forgotten.
func (r *running) forget(ctx context.Context) error {
	const uploads = 7 * 24 * time.Hour
	return r.update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		old := `(SELECT id FROM replication_runs WHERE rule_id = $1 ORDER BY id DESC LIMIT 1000 OFFSET ` +
			strconv.Itoa(keptRuns) + `)`
		for _, stmt := range []string{
			"DELETE FROM replication_items WHERE run_id IN " + old, "DELETE FROM replication_runs WHERE id IN " + old,
		} {
			if _, err := tx.Tx.Exec(ctx, stmt, r.rule.ID); err != nil {
				return db.Unavailable(err)
			}
		}
		_, err := tx.Tx.Exec(ctx, "DELETE FROM replication_uploads WHERE rule_id = $1 AND at < $2", r.rule.ID,
			db.Micros(tx.Now().Add(-uploads)))
		return db.Unavailable(err)
	})
}
