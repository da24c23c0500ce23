// Package jobs is the work that a registry does apart from requests: rows in its
// database, each done by one of its servers, under a lease that ends with the
// server. There is no queue beside the database.
//
// Who has work adds a row by [Add], within the transaction that is the reason for
// it, so that neither is there without the other. A [Runner] in each server takes
// what is due, of the kinds that it knows. A server that is killed lets its leases
// end, and another takes the job again: what a kind does must bear being begun
// twice. A [Schedule] adds a job whenever its time comes.
//
// The tables are bounded: of each kind the newest jobs that have ended are kept, and
// who adds more for one subject than anybody will work off is refused.
package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
)

// State is how far a job is.
type State string

// The states. A waiting job begins when it is due; the last three do not change.
const (
	Waiting State = "waiting"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Stopped State = "stopped"
)

// States lists all of them.
func States() []State { return []State{Waiting, Running, Done, Failed, Stopped} }

const (
	// kept is how many ended jobs of a kind stay to be looked at, and keptFor how long.
	kept    = 1000
	keptFor = 30 * 24 * time.Hour
	// maxWaiting bounds the jobs of one kind and subject that have not ended.
	maxWaiting = 10_000
	// maxNote bounds what a job tells of itself.
	maxNote = 2000
)

// Job is one piece of work.
type Job struct {
	ID            int64
	Kind, Subject string // as "replication" and the id of its rule
	Project       string // that it is about; "" if it is about none
	Args          json.RawMessage
	By            string // who asked for it
	State         State
	Stopping      bool // it runs, and was asked to stop
	Attempts      int
	Note          string // how far it is, or what came of it
	Error         string // of the last attempt that failed
	CreatedAt     time.Time
	DueAt         time.Time // when a waiting job begins; of one that runs, when its lease ends
	StartedAt     time.Time // of the last attempt; zero before the first
	EndedAt       time.Time // zero while it has not
	alone         bool
}

// New is a job to be.
type New struct {
	Kind, Subject, Project, By string
	Args                       any       // encoded as JSON
	Due                        time.Time // zero is at once
	// Alone: while a job of this kind and subject has not ended, no other is added.
	Alone bool
}

// Add adds a job within a write. When it is to be alone and is not, added is false,
// and id is that of the job which is there. Too many jobs for one subject are
// errdefs.ErrExhausted.
func Add(ctx context.Context, tx *metadata.Tx, n New) (id int64, added bool, err error) {
	args, err := json.Marshal(n.Args)
	if err != nil {
		return 0, false, err
	}
	return insert(ctx, tx.Tx, Job{
		Kind: n.Kind, Subject: n.Subject, Project: n.Project, By: n.By, Args: args, DueAt: n.Due, alone: n.Alone,
	})
}

func insert(ctx context.Context, tx *db.Tx, j Job) (id int64, added bool, err error) {
	var unfinished int
	err = tx.Row(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM jobs
		WHERE kind = $1 AND subject = $2 AND ended_at = 0 LIMIT 10000) AS counted`, j.Kind, j.Subject).Scan(&unfinished)
	if err != nil {
		return 0, false, db.Unavailable(err)
	}
	if unfinished >= maxWaiting {
		return 0, false, errdefs.Errorf(errdefs.ErrExhausted,
			"%d jobs (%s) wait already for the same; the first must end", unfinished, j.Kind)
	}
	if j.DueAt.IsZero() {
		j.DueAt = tx.Now
	}
	id = tx.NewID()
	changed, err := tx.Exec(ctx, `INSERT INTO jobs
		(id, kind, subject, project, args, created_by, alone, state, created_at, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9) ON CONFLICT DO NOTHING`,
		id, j.Kind, j.Subject, j.Project, string(j.Args), j.By, db.Number(j.alone), db.Micros(tx.Now),
		db.Micros(j.DueAt))
	if err != nil || changed > 0 {
		return id, err == nil, db.Unavailable(err)
	}
	err = tx.Row(ctx, "SELECT id FROM jobs WHERE kind = $1 AND subject = $2 AND alone = 1 AND ended_at = 0",
		j.Kind, j.Subject).Scan(&id)
	return id, false, db.NotFound(err, "the other job (%s) has just ended; ask again", j.Kind)
}

const selectJobs = `SELECT id, kind, subject, project, args, created_by, alone, state, stop, attempts, note, error,
	created_at, due_at, started_at, ended_at FROM jobs `

func scanJob(s db.Scanner) (j Job, err error) {
	var args string
	var alone, stop, created, due, started, ended int64
	err = s.Scan(&j.ID, &j.Kind, &j.Subject, &j.Project, &args, &j.By, &alone, &j.State, &stop, &j.Attempts, &j.Note,
		&j.Error, &created, &due, &started, &ended)
	j.Args, j.alone, j.Stopping = json.RawMessage(cmp.Or(args, "null")), alone != 0, stop != 0 && ended == 0
	j.CreatedAt, j.DueAt, j.StartedAt, j.EndedAt = moment(created), moment(due), moment(started), moment(ended)
	return j, err
}

// moment is a time of a table, in which 0 is none.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros)
}
