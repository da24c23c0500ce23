package retention

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// The rights that retention takes.
const (
	Look   = rights.Right("tag-retention:list")
	Change = rights.Right("tag-retention:update")
	Start  = rights.Right("tag-retention:operate")
)

// JobKind is the kind of the jobs that remove what no rule keeps; their subject is the
// project.
const JobKind = "retention"

// Retention manages the rules of all projects, and runs them. It works beside a running
// server. Who may not gets the errors of auth.Judge's Permit.
type Retention struct {
	db       *metadata.DB
	judge    auth.Judge
	registry distribution.Registry // of which is deleted; nil beside a server
	now      func() time.Time
}

// New manages the rules of db. Without a registry nothing is deleted but by a job of a
// server.
func New(database *metadata.DB, judge auth.Judge, registry distribution.Registry) *Retention {
	return &Retention{database, judge, registry, database.Now}
}

// Kept is a rule of a project with what is known of it.
type Kept struct {
	ID int64
	Rule
	By string
	At time.Time
}

// Policy is all that a project says of retention.
type Policy struct {
	Rules    []Kept
	Schedule jobs.Schedule // of no Cron if there is none
}

// Of is that of a project.
func (r *Retention) Of(ctx context.Context, by auth.Caller, project string) (p Policy, err error) {
	if err := r.judge.Permit(ctx, r.db, by, Look, project); err != nil {
		return p, err
	}
	if _, err := r.db.Project(ctx, project); err != nil {
		return p, err
	}
	if p.Rules, err = Of(ctx, r.db.Querier(), project); err != nil {
		return p, err
	}
	p.Schedule, _, err = jobs.ScheduleOf(ctx, r.db.Querier(), JobKind, project)
	return p, err
}

// Of are the rules of a project, the oldest first, for who need not ask.
func Of(ctx context.Context, q db.Querier, project string) ([]Kept, error) {
	return db.All(ctx, q, func(s db.Scanner) (k Kept, err error) {
		var text string
		var at int64
		if err = s.Scan(&k.ID, &text, &k.By, &at); err == nil {
			err = json.Unmarshal([]byte(text), &k.Rule)
		}
		k.At = time.UnixMicro(at)
		return k, err
	}, `SELECT t.id, t.rule, t.created_by, t.created_at FROM projects p
		JOIN retention_rules t ON t.project_id = p.id WHERE p.name = $1 ORDER BY t.id`, project)
}

// Add adds a rule to a project. Without a schedule it does nothing yet.
func (r *Retention) Add(ctx context.Context, by auth.Caller, project string, rule Rule) (k Kept, err error) {
	if err := rule.Check(); err != nil {
		return k, err
	}
	text, err := json.Marshal(rule)
	if err != nil {
		return k, err
	}
	c := audit.Change{Action: "retention.add", Object: project, Detail: rule.String()}
	err = r.change(ctx, by, c, func(ctx context.Context, tx *metadata.Tx) error {
		p, err := tx.ProjectForUpdate(ctx, project)
		if err != nil {
			return err
		}
		there, err := Of(ctx, tx.Querier(), project)
		if err != nil {
			return err
		}
		if len(there) >= MaxRules {
			return errdefs.Errorf(errdefs.ErrConflict, "project %q has %d rules already; remove one first", project,
				MaxRules)
		}
		k = Kept{ID: tx.Tx.NewID(), Rule: rule, By: by.Name, At: tx.Now()}
		_, err = tx.Tx.Exec(ctx, `INSERT INTO retention_rules (id, project_id, rule, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5)`, k.ID, p.ID, string(text), by.Name, db.Micros(tx.Now()))
		return db.Unavailable(err)
	})
	return k, err
}

// Remove removes a rule. What it alone kept goes with the next run; without its last
// rule nothing of a project does.
func (r *Retention) Remove(ctx context.Context, by auth.Caller, project string, id int64) error {
	c := audit.Change{Action: "retention.remove", Object: project, Detail: strconv.FormatInt(id, 10)}
	return r.change(ctx, by, c, func(ctx context.Context, tx *metadata.Tx) error {
		changed, err := tx.Tx.Exec(ctx, `DELETE FROM retention_rules
			WHERE id = $1 AND project_id = (SELECT id FROM projects WHERE name = $2)`, id, project)
		if err == nil && changed == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "project %q has no rule %d", project, id)
		}
		return db.Unavailable(err)
	})
}

// Schedule says when the rules of a project are run, in a time zone; "" is never.
func (r *Retention) Schedule(ctx context.Context, by auth.Caller, project, cron, zone string) error {
	c := audit.Change{Action: "retention.schedule", Object: project, Detail: cron + " " + zone}
	return r.change(ctx, by, c, func(ctx context.Context, tx *metadata.Tx) error {
		if cron == "" {
			return jobs.RemoveSchedule(ctx, tx, JobKind, project)
		}
		if _, err := tx.Project(ctx, project); err != nil {
			return err
		}
		return jobs.SetSchedule(ctx, tx, jobs.Schedule{
			Kind: JobKind, Subject: project, Project: project, By: by.Name, Cron: cron, Zone: zone,
			Args: json.RawMessage(bySchedule),
		})
	})
}

// change makes a change that takes the right to, and notes it.
func (r *Retention) change(
	ctx context.Context, by auth.Caller, c audit.Change, do func(ctx context.Context, tx *metadata.Tx) error,
) error {
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, Change, c.Object); err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, c)
	})
}

// Preview is what a run would delete now.
func (r *Retention) Preview(ctx context.Context, by auth.Caller, project string) (Plan, error) {
	if err := r.judge.Permit(ctx, r.db, by, Look, project); err != nil {
		return Plan{}, err
	}
	return r.plan(ctx, project)
}

// plan is the same for a dry run and a run. A project without rules keeps all.
func (r *Retention) plan(ctx context.Context, project string) (Plan, error) {
	if _, err := r.db.Project(ctx, project); err != nil {
		return Plan{}, err
	}
	all, err := Of(ctx, r.db.Querier(), project)
	if err != nil {
		return Plan{}, err
	}
	plain := make([]Rule, len(all))
	for i, k := range all {
		plain[i] = k.Rule
	}
	return plan(ctx, r.db.Queries, project, plain, r.now())
}

// order is the arguments of a job.
type order struct {
	DryRun    bool `json:"dryRun,omitempty"`
	Scheduled bool `json:"scheduled,omitempty"`
	// Planned is what was to go when the run began.
	Planned *planned `json:"planned,omitempty"`
}

// planned is remembered of the first plan of a run, whose server may be killed before the end.
type planned struct {
	Artifacts int   `json:"artifacts"`
	Parts     int   `json:"parts"`
	Bytes     int64 `json:"bytes"`
}

func orderOf(j jobs.Job) (o order) {
	_ = json.Unmarshal(j.Args, &o) // one that says nothing is a run by hand
	return o
}

// DryRun says that a job of JobKind only says what it would delete.
func DryRun(j jobs.Job) bool { return orderOf(j).DryRun }

// Scheduled says that nobody asked for a job of JobKind but the schedule.
func Scheduled(j jobs.Job) bool { return orderOf(j).Scheduled }

// bySchedule are the arguments of the jobs of schedules.
const bySchedule = `{"scheduled":true}`

// Run has a server run the rules of a project, by a job. A dry run that is at it is
// errdefs.ErrConflict.
func (r *Retention) Run(ctx context.Context, by auth.Caller, project string) (job int64, err error) {
	return r.start(ctx, by, project, false)
}

// Rehearse is Run without the deletes: the job says what they would have been. A run that
// is at it is errdefs.ErrConflict.
func (r *Retention) Rehearse(ctx context.Context, by auth.Caller, project string) (job int64, err error) {
	return r.start(ctx, by, project, true)
}

func (r *Retention) start(ctx context.Context, by auth.Caller, project string, dry bool) (job int64, err error) {
	err = r.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, Start, project); err != nil {
			return err
		}
		if _, err := tx.Project(ctx, project); err != nil {
			return err
		}
		var added bool
		job, added, err = jobs.Add(ctx, tx, jobs.New{
			Kind: JobKind, Subject: project, Project: project, By: by.Name, Args: order{DryRun: dry}, Alone: true,
		})
		if err != nil {
			return err
		}
		if !added { // the one that is at it does this work too
			return r.same(ctx, tx, project, job, dry)
		}
		detail := ""
		if dry {
			detail = "dry run"
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "retention.run", Object: project, Detail: detail})
	})
	return job, err
}

// same refuses a job that is no such run.
func (r *Retention) same(ctx context.Context, tx *metadata.Tx, project string, job int64, dry bool) error {
	at, _, err := jobs.Page(ctx, tx.Querier(), jobs.Query{Kind: JobKind, Subject: project, Before: job + 1, N: 1})
	if err == nil && len(at) == 1 && DryRun(at[0]) != dry {
		err = errdefs.Errorf(errdefs.ErrConflict, "job %d runs the rules of project %q already; stop it or let it end",
			job, project)
	}
	return err
}

// Runs lists the jobs of a project, the newest first: those before one unless that is 0.
func (r *Retention) Runs(ctx context.Context, by auth.Caller, project string, before int64, n int) (
	page []jobs.Job, more bool, err error,
) {
	if err := r.judge.Permit(ctx, r.db, by, Look, project); err != nil {
		return nil, false, err
	}
	return jobs.Page(ctx, r.db.Querier(), jobs.Query{Kind: JobKind, Subject: project, Before: before, N: n})
}

// Stop ends a job of a project. One that has ended is errdefs.ErrConflict.
func (r *Retention) Stop(ctx context.Context, by auth.Caller, project string, job int64) error {
	return r.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := r.judge.Permit(ctx, tx, by, Start, project); err != nil {
			return err
		}
		return jobs.Stop(ctx, tx, by, jobs.Which{ID: job, Kind: JobKind, Subject: project})
	})
}

// Kind runs the rules of a project.
func (r *Retention) Kind() jobs.Kind {
	return jobs.Kind{Name: JobKind, Tries: 3, Run: func(ctx context.Context, w *jobs.Work) (string, error) {
		dry := DryRun(w.Job)
		if r.registry == nil && !dry {
			return "", jobs.Final(errdefs.Errorf(errdefs.ErrUnsupported, "this registry is read-only"))
		}
		p, err := r.plan(ctx, w.Subject)
		if errors.Is(err, errdefs.ErrNotFound) {
			err = jobs.Final(err)
		}
		if err != nil {
			return "", err
		}
		if dry {
			return p.Outcome().String(), nil
		}
		d, err := r.goOn(ctx, w, p)
		if err != nil {
			return "", err
		}
		note, err := d.carryOut(auth.WithCaller(ctx, auth.Caller{Name: caller, Admin: true}), w.Say)
		if err == nil { // one that is tried again tells when it has ended
			p.Gone = append(d.earlier, p.Gone...)
			err = r.tell(ctx, w.Job, p)
		}
		return note, err
	}}
}
