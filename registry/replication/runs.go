package replication

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// Cause is why there is a run.
type Cause string

// The causes.
const (
	Manual    Cause = "manual"
	Scheduled Cause = "scheduled"
	Event     Cause = "event"
	Retry     Cause = "retry" // of what failed in another run
)

// order is the arguments of a run's job.
type order struct {
	Cause Cause `json:"cause"`
	Of    int64 `json:"of,omitempty"` // the run whose failures are retried
}

// State is how far a tag of a run is.
type State string

// The states of a tag. Those after Failed need nothing more.
const (
	Waiting   State = "waiting"
	Failed    State = "failed"
	Copied    State = "copied"
	Unchanged State = "unchanged" // the target had it
	Kept      State = "kept"      // the tag names something else there, and stays
	Skipped   State = "skipped"   // a filter does not take it, or it is gone
	Deleted   State = "deleted"   // at the target
)

// States lists all of them.
func States() []State { return []State{Waiting, Failed, Copied, Unchanged, Kept, Skipped, Deleted} }

// Run is one run of a rule.
type Run struct {
	ID    int64
	Rule  string
	Cause Cause
	// Job is how it stands: its state, who asked for it, its times and its error.
	Job jobs.Job
	// Planned says that all tags are there; until then there come more.
	Planned bool
	Counts  map[State]int64
	Bytes   int64 // that were sent
}

// Total is how many tags the run has.
func (r Run) Total() (n int64) {
	for _, some := range r.Counts {
		n += some
	}
	return n
}

// Item is one tag of a run.
type Item struct {
	Repository, Tag string // at the source
	Target          string // the repository at the other side
	Delete          bool   // it goes there
	State           State
	Digest          digest.Digest
	Attempts        int
	Bytes           int64
	Note            string // why it failed, or was left
	EndedAt         time.Time
}

// Start has a server begin a run of a rule now. A rule that runs is
// errdefs.ErrConflict.
func (s *Service) Start(ctx context.Context, by auth.Caller, name string) (run int64, err error) {
	return s.begin(ctx, by, order{Cause: Manual}, func(ctx context.Context, tx *metadata.Tx) (Rule, error) {
		return named(ctx, tx.Querier(), name)
	})
}

// Again has a server try again what failed in a run, as a new one.
func (s *Service) Again(ctx context.Context, by auth.Caller, of int64) (run int64, err error) {
	return s.begin(ctx, by, order{Cause: Retry, Of: of}, func(ctx context.Context, tx *metadata.Tx) (Rule, error) {
		r, err := ruleOfRun(ctx, tx.Querier(), of)
		if err != nil {
			return r, err
		}
		failed, err := db.All(ctx, tx.Tx, db.ScanString, `SELECT tag FROM replication_items
			WHERE run_id = $1 AND state IN ('failed', 'waiting') LIMIT 1`, of)
		if err == nil && len(failed) == 0 {
			err = errdefs.Errorf(errdefs.ErrConflict, "nothing of run %d has failed", of)
		}
		return r, err
	})
}

func ruleOfRun(ctx context.Context, q db.Querier, run int64) (Rule, error) {
	r, err := scanRule(q.Row(ctx, selectRules+"JOIN replication_runs x ON x.rule_id = r.id WHERE x.id = $1", run))
	return r, db.NotFound(err, "there is no run %d; old ones are forgotten", run)
}

func (s *Service) begin(
	ctx context.Context, by auth.Caller, o order, of func(context.Context, *metadata.Tx) (Rule, error),
) (run int64, err error) {
	err = s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		r, err := of(ctx, tx)
		if err != nil {
			return err
		}
		var added bool
		run, added, err = jobs.Add(
			ctx,
			tx,
			jobs.New{Kind: JobKind, Subject: r.subject(), By: by.Name, Args: o, Alone: true},
		)
		if err != nil {
			return err
		}
		if !added {
			return errdefs.Errorf(errdefs.ErrConflict, "rule %q runs already, as run %d", r.Name, run)
		}
		if err := addRun(ctx, tx.Tx, run, r.ID, o.Cause); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "replication.run", Object: r.Name, Detail: strconv.FormatInt(run, 10),
		})
	})
	return run, err
}

// addRun writes the row of a run, if it is not there.
func addRun(ctx context.Context, tx *db.Tx, run, rule int64, cause Cause) error {
	_, err := tx.Exec(ctx, `INSERT INTO replication_runs (id, rule_id, cause, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, run, rule, string(cause), db.Micros(tx.Now))
	return db.Unavailable(err)
}

// Stop ends a run: within two seconds, in the middle of a blob. One that has ended is
// errdefs.ErrConflict.
func (s *Service) Stop(ctx context.Context, by auth.Caller, run int64) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		return jobs.Stop(ctx, tx, by, jobs.Which{ID: run, Kind: JobKind})
	})
}

// Runs lists the newest runs, of one rule unless name is "": those before a run
// unless that is 0, at most n.
func (s *Service) Runs(ctx context.Context, by auth.Caller, name string, before int64, n int) (
	page []Run, more bool, err error,
) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return nil, false, err
	}
	q := jobs.Query{Kind: JobKind, Before: before, N: n}
	if name != "" {
		r, err := named(ctx, s.db.Querier(), name)
		if err != nil {
			return nil, false, err
		}
		q.Subject = r.subject()
	}
	all, more, err := jobs.Page(ctx, s.db.Querier(), q)
	if err != nil {
		return nil, false, err
	}
	for _, j := range all {
		run, err := s.run(ctx, j)
		if err != nil {
			return nil, false, err
		}
		page = append(page, run)
	}
	return page, more, nil
}

// Run is one run, or errdefs.ErrNotFound.
func (s *Service) Run(ctx context.Context, by auth.Caller, id int64) (Run, error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return Run{}, err
	}
	found, _, err := jobs.Page(ctx, s.db.Querier(), jobs.Query{Kind: JobKind, Before: id + 1, N: 1})
	if err != nil {
		return Run{}, err
	}
	if len(found) == 0 || found[0].ID != id {
		return Run{}, errdefs.Errorf(errdefs.ErrNotFound, "there is no run %d; old ones are forgotten", id)
	}
	return s.run(ctx, found[0])
}

// run completes what the job says.
func (s *Service) run(ctx context.Context, j jobs.Job) (Run, error) {
	run := Run{ID: j.ID, Job: j, Counts: map[State]int64{}}
	var o order
	if json.Unmarshal(j.Args, &o) == nil {
		run.Cause = o.Cause
	}
	q := s.db.Querier()
	err := db.Each(ctx, q, func(row db.Scanner) (bool, error) {
		var planned int64
		err := row.Scan(&run.Rule, &planned, &run.Bytes)
		run.Planned = planned != 0
		return true, err
	}, `SELECT r.name, COALESCE(x.planned, 0), COALESCE(x.bytes, 0) FROM replication_rules r
		LEFT JOIN replication_runs x ON x.rule_id = r.id AND x.id = $1 WHERE CAST(r.id AS TEXT) = $2`, j.ID, j.Subject)
	if err != nil {
		return run, err
	}
	return run, db.Each(ctx, q, func(row db.Scanner) (bool, error) {
		var state State
		var n int64
		err := row.Scan(&state, &n)
		run.Counts[state] = n
		return true, err
	}, "SELECT state, COUNT(*) FROM replication_items WHERE run_id = $1 GROUP BY state", j.ID)
}

// ItemQuery asks for a page of the tags of a run, of one state unless that is "":
// those after an item's repository and tag.
type ItemQuery struct {
	Run             int64
	State           State
	Repository, Tag string
	N               int
}

const selectItems = `SELECT repository, tag, target, deleted, state, digest, attempts, bytes, note, ended_at
	FROM replication_items `

func scanItem(s db.Scanner) (i Item, err error) {
	var deleted, ended int64
	err = s.Scan(
		&i.Repository,
		&i.Tag,
		&i.Target,
		&deleted,
		&i.State,
		&i.Digest,
		&i.Attempts,
		&i.Bytes,
		&i.Note,
		&ended,
	)
	i.Delete = deleted != 0
	if ended != 0 {
		i.EndedAt = time.UnixMicro(ended)
	}
	return i, err
}

// Items lists the tags of a run by their names.
func (s *Service) Items(ctx context.Context, by auth.Caller, q ItemQuery) (page []Item, more bool, err error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return nil, false, err
	}
	stmt := selectItems + "WHERE run_id = $1 AND (repository > $2 OR repository = $2 AND tag > $3)"
	args := []any{q.Run, q.Repository, q.Tag, q.N + 1}
	if q.State != "" {
		stmt += " AND state = $5"
		args = append(args, string(q.State))
	}
	page, err = db.All(ctx, s.db.Querier(), scanItem, stmt+" ORDER BY repository, tag LIMIT $4", args...)
	if len(page) > q.N {
		return page[:q.N], true, err
	}
	return page, false, err
}
