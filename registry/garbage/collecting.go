package garbage

import (
	"context"

	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// JobKind is the kind of the jobs that collect at once, apart from what a server does by
// itself every minute.
const JobKind = "garbage"

// Collecting is the collector for who administers the registry from afar: it takes the right
// auth.ManageJobs, and who has it not gets the errors of auth.Judge's Permit.
type Collecting struct {
	reader *Reader
	db     *metadata.DB
	judge  auth.Judge
}

// NewCollecting asks servers to collect, by jobs in db.
func NewCollecting(db *metadata.DB, judge auth.Judge) *Collecting {
	return &Collecting{New(db), db, judge}
}

// Plan is what a collection now would remove.
type Plan struct {
	Contents int // all of them, unless More
	Bytes    int64
	First    []Content // by digest
	More     bool      // than were counted
}

// mostPlanned bounds what one look counts.
const mostPlanned = 100_000

// DryRun tells what a collection now would remove, with the first n contents by name.
func (c *Collecting) DryRun(ctx context.Context, by auth.Caller, n int) (p Plan, err error) {
	if err := c.judge.Permit(ctx, c.db, by, auth.ManageJobs, ""); err != nil {
		return p, err
	}
	for found, err := range c.reader.Removable(ctx) {
		if err != nil {
			return p, err
		}
		if p.Contents == mostPlanned {
			p.More = true
			break
		}
		if p.Contents++; len(p.First) < n {
			p.First = append(p.First, found)
		}
		p.Bytes += found.Size
	}
	return p, nil
}

// Status is that of the collector.
func (c *Collecting) Status(ctx context.Context, by auth.Caller) (Status, error) {
	if err := c.judge.Permit(ctx, c.db, by, auth.ManageJobs, ""); err != nil {
		return Status{}, err
	}
	s, _, err := c.reader.Glance(ctx)
	return s, err
}

// Ask has a server collect at once, by a job; one that is asked for already is that.
func (c *Collecting) Ask(ctx context.Context, by auth.Caller) (job int64, err error) {
	err = c.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := c.judge.Permit(ctx, tx, by, auth.ManageJobs, ""); err != nil {
			return err
		}
		var added bool
		job, added, err = jobs.Add(ctx, tx, jobs.New{Kind: JobKind, Subject: "all", By: by.Name, Alone: true})
		if err != nil || !added {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "garbage.collect"})
	})
	return job, err
}
