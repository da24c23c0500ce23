package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Jobs shows jobs, and stops and repeats them. It works beside running servers. Who
// may not gets the errors of auth.Judge's Permit.
type Jobs struct {
	db    *metadata.DB
	judge auth.Judge
	kinds []string // that there are, by name
}

// NewJobs looks after the jobs of db.
func NewJobs(database *metadata.DB, judge auth.Judge) *Jobs { return &Jobs{db: database, judge: judge} }

func (s *Jobs) permit(ctx context.Context, by auth.Caller) error {
	return s.judge.Permit(ctx, s.db, by, auth.ManageJobs, "")
}

// Query asks for a page of jobs: what is "" narrows nothing.
type Query struct {
	Kind, Subject, Project string
	State                  State
	Before                 int64 // the id of the last job of the page before
	N                      int
}

// Page lists jobs, the newest first; more says that there are others.
func (s *Jobs) Page(ctx context.Context, by auth.Caller, q Query) (page []Job, more bool, err error) {
	if err := s.permit(ctx, by); err != nil {
		return nil, false, err
	}
	return Page(ctx, s.db.Querier(), q)
}

// Page is Jobs.Page for who has asked for a right already.
func Page(ctx context.Context, of db.Querier, q Query) (page []Job, more bool, err error) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	for _, by := range []struct{ column, value string }{
		{"kind", q.Kind}, {"subject", q.Subject}, {"project", q.Project}, {"state", string(q.State)},
	} {
		if by.value != "" {
			add(by.column+" =", by.value)
		}
	}
	if q.Before > 0 {
		add("id <", q.Before)
	}
	stmt := selectJobs
	if len(where) > 0 {
		stmt += "WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, q.N+1)
	page, err = db.All(ctx, of, scanJob, stmt+" ORDER BY id DESC LIMIT $"+strconv.Itoa(len(args)), args...)
	if len(page) > q.N {
		return page[:q.N], true, err
	}
	return page, false, err
}

// Get is one job, or errdefs.ErrNotFound.
func (s *Jobs) Get(ctx context.Context, by auth.Caller, id int64) (Job, error) {
	if err := s.permit(ctx, by); err != nil {
		return Job{}, err
	}
	return get(ctx, s.db.Querier(), id, "")
}

func get(ctx context.Context, q db.Querier, id int64, lock string) (Job, error) {
	j, err := scanJob(q.Row(ctx, selectJobs+"WHERE id = $1"+lock, id))
	return j, noJob(err, id)
}

func noJob(err error, id int64) error {
	return db.NotFound(err, "there is no job %d; those that ended long ago are forgotten", id)
}

// Stop ends a job: one that waits at once, one that runs as soon as its server sees
// it, within two seconds. One that has ended is errdefs.ErrConflict.
func (s *Jobs) Stop(ctx context.Context, by auth.Caller, id int64) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, auth.ManageJobs, ""); err != nil {
			return err
		}
		return Stop(ctx, tx, by, Which{ID: id})
	})
}

// Which is one job, by its id; where they are not "" of this kind and subject, which
// else is errdefs.ErrNotFound.
type Which struct {
	ID            int64
	Kind, Subject string
}

func (w Which) get(ctx context.Context, tx *metadata.Tx) (Job, error) {
	j, err := get(ctx, tx.Tx, w.ID, tx.Tx.ForUpdate)
	if err == nil && (w.Kind != "" && j.Kind != w.Kind || w.Subject != "" && j.Subject != w.Subject) {
		err = noJob(sql.ErrNoRows, w.ID)
	}
	return j, err
}

// Stop is Jobs.Stop for who has asked for a right already.
func Stop(ctx context.Context, tx *metadata.Tx, by auth.Caller, which Which) error {
	j, err := which.get(ctx, tx)
	if err != nil {
		return err
	}
	stmt, args := "UPDATE jobs SET stop = 1 WHERE id = $1", []any{j.ID}
	switch {
	case !j.EndedAt.IsZero():
		return errdefs.Errorf(errdefs.ErrConflict, "job %d has ended (%s)", j.ID, j.State)
	case j.State == Waiting:
		stmt = "UPDATE jobs SET stop = 1, state = 'stopped', ended_at = $2 WHERE id = $1"
		args = append(args, db.Micros(tx.Now()))
	}
	if _, err := tx.Tx.Exec(ctx, stmt, args...); err != nil {
		return db.Unavailable(err)
	}
	return record(ctx, tx, by, "job.stop", j)
}

// Retry does the work of a job that has ended again, as a new job, whose id it
// returns. One that has not ended is errdefs.ErrConflict, and so is one that must be
// alone and is not.
func (s *Jobs) Retry(ctx context.Context, by auth.Caller, id int64) (again int64, err error) {
	err = s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, auth.ManageJobs, ""); err != nil {
			return err
		}
		again, err = Retry(ctx, tx, by, Which{ID: id})
		return err
	})
	return again, err
}

// Retry is Jobs.Retry for who has asked for a right already.
func Retry(ctx context.Context, tx *metadata.Tx, by auth.Caller, which Which) (again int64, err error) {
	j, err := which.get(ctx, tx)
	if err != nil {
		return 0, err
	}
	if j.EndedAt.IsZero() {
		return 0, errdefs.Errorf(errdefs.ErrConflict, "job %d has not ended yet (%s)", j.ID, j.State)
	}
	done := j
	j.By, j.DueAt = by.Name, time.Time{}
	again, added, err := insert(ctx, tx.Tx, j)
	if err != nil {
		return 0, err
	}
	if !added {
		return again, errdefs.Errorf(errdefs.ErrConflict, "job %d is at the same work", again)
	}
	return again, record(ctx, tx, by, "job.retry", done)
}

func record(ctx context.Context, tx *metadata.Tx, by auth.Caller, action string, j Job) error {
	object := strconv.FormatInt(j.ID, 10)
	return audit.Record(ctx, tx, by, audit.Change{Action: action, Object: object, Detail: j.Kind})
}

// Status is how the work of all kinds stands.
type Status struct {
	Waiting, Running int64
	Oldest           time.Time // when the job that has been due longest was to begin; zero without one
}

// Status reads it.
func (s *Jobs) Status(ctx context.Context, by auth.Caller) (st Status, err error) {
	if err := s.permit(ctx, by); err != nil {
		return st, err
	}
	var oldest int64
	err = s.db.Querier().Row(ctx, `SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0),
		COALESCE(MIN(CASE WHEN state = 'waiting' AND due_at <= $1 THEN due_at END), 0)
		FROM jobs WHERE ended_at = 0`, db.Micros(s.db.Now())).Scan(&st.Waiting, &st.Running, &oldest)
	st.Oldest = moment(oldest)
	return st, db.Unavailable(err)
}

// Schedules lists all schedules, the next first.
func (s *Jobs) Schedules(ctx context.Context, by auth.Caller) ([]Schedule, error) {
	if err := s.permit(ctx, by); err != nil {
		return nil, err
	}
	const most = 1000
	return db.All(ctx, s.db.Querier(), scanSchedule, selectSchedules+"ORDER BY next_at, kind, subject LIMIT $1", most)
}

// patience is how long Await waits for a server that takes the job, and pause how often it
// looks.
const (
	patience = 30 * time.Second
	pause    = 100 * time.Millisecond
)

// Await waits for the end of a job that the caller has added, and tells what came of it: a
// failure is errdefs.ErrConflict. errdefs.ErrUnavailable says that no server has begun it for
// half a minute. It asks for no right: who may have work done may know what came of it.
func (s *Jobs) Await(ctx context.Context, id int64) (note string, err error) {
	for left := patience; left > 0; {
		j, err := s.Get(ctx, auth.Operator(), id)
		switch {
		case err != nil:
			return "", err
		case j.State == Done:
			return j.Note, nil
		case !j.EndedAt.IsZero():
			return "", errdefs.Errorf(errdefs.ErrConflict, "%s", j.Error)
		case j.State == Waiting:
			left -= pause
			if held, err := paused(ctx, s.db.Querier()); err != nil || held[j.Kind] {
				return "", cmp.Or(err, errdefs.Errorf(errdefs.ErrUnavailable,
					"jobs of the kind %q are paused; it is done when they are resumed (job %d)", j.Kind, id))
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "", errdefs.Errorf(errdefs.ErrUnavailable,
		"no server of the registry has done it within %v; one does as soon as it runs (job %d)", patience, id)
}
