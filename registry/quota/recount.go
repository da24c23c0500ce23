package quota

import (
	"context"
	"strings"

	"cove/errdefs"
	"cove/internal/plural"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/usage"
)

// JobKind is the kind of the job that counts anew every night.
const JobKind = "quota-recount"

// Recount is what a recount of a project found.
type Recount struct {
	Project string
	usage.Recounted
	Mended bool
}

// Recount counts anew what a project uses, or, for "", what each of all does. What
// differs is mended if that is asked for. It takes nothing from who pushes meanwhile.
func (q *Quotas) Recount(ctx context.Context, by auth.Caller, project string, mend bool) (all []Recount, err error) {
	if err := q.judge.Permit(ctx, q.db, by, Set, ""); err != nil {
		return nil, err
	}
	if project != "" {
		p, err := q.db.Project(ctx, project)
		if err != nil {
			return nil, err
		}
		one, err := q.recount(ctx, by, p, mend)
		return []Recount{one}, err
	}
	const batch = 200
	for last := ""; ; {
		page, err := q.db.Projects(ctx, last, batch)
		if err != nil || len(page) == 0 {
			return all, err
		}
		for _, p := range page {
			one, err := q.recount(ctx, by, p, mend)
			if err != nil {
				return all, err
			}
			all = append(all, one)
			last = p.Name
		}
	}
}

func (q *Quotas) recount(ctx context.Context, by auth.Caller, p metadata.Project, mend bool) (r Recount, err error) {
	r.Project = p.Name
	r.Recounted, err = usage.Recount(ctx, q.db.Querier(), p.ID)
	if err != nil || r.Equal() || !mend {
		return r, err
	}
	// Once more, in the transaction that mends it: what was found may be another's
	// write that was half seen.
	err = q.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
		if r.Recounted, err = usage.Mend(ctx, tx.Tx, p.ID); err != nil || r.Equal() {
			return err
		}
		r.Mended = true
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "quota.mend", Object: p.Name,
			Detail: plural.Sprintf("%d digests, %d bytes used, %d waiting; %d repositories",
				len(r.Differences)+len(r.Holders), r.Used, r.Waiting, r.Repositories),
		})
	})
	return r, err
}

// Kind counts every project anew. A difference is a mistake of the program: it is
// mended, and the job has failed, so that somebody looks.
func (q *Quotas) Kind() jobs.Kind {
	return jobs.Kind{Name: JobKind, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
		all, err := q.Recount(ctx, auth.Operator(), "", true)
		if err != nil {
			return "", err
		}
		var wrong []string
		for _, r := range all {
			if !r.Equal() {
				wrong = append(wrong, r.Project)
			}
		}
		if len(wrong) > 0 {
			return "", jobs.Final(errdefs.Errorf(errdefs.ErrCorrupt,
				"what these projects use was not counted right, and is now: %s", strings.Join(wrong, ", ")))
		}
		return plural.Sprintf("%d projects, all as counted", len(all)), nil
	}}
}
