// Package quota limits how many bytes projects use, tells how many they use, and
// counts them anew.
package quota

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/removed"
	"cove/registry/metadata/usage"
)

// The rights that quotas take: to look at that of a project, and to set them and see
// all.
const (
	Look = rights.Right("quota:read")
	Set  = rights.ManageQuotas
)

// Unlimited is the limit of a project that has none.
const Unlimited = usage.Unlimited

// Usage is what a project uses, in bytes.
type Usage struct {
	ID      int64
	Project string
	// Used counts towards the limit. Waiting does not: no manifest needs it any more,
	// and the collector takes it when its time has come.
	Used, Waiting int64
	Limit         int64 // Unlimited without one
	Own           bool  // the limit is its own, not that of all
}

// Percent is how much of the limit is used; 0 without one.
func (u Usage) Percent() int64 {
	switch u.Limit {
	case Unlimited:
		return 0
	case 0:
		return 100
	}
	return int64(float64(u.Used) / float64(u.Limit) * 100)
}

// Quotas are those of all projects. They work beside a running server. Who may not
// gets the errors of auth.Judge's Permit.
type Quotas struct {
	db    *metadata.DB
	judge auth.Judge
}

// New manages the quotas of db.
func New(database *metadata.DB, judge auth.Judge) *Quotas { return &Quotas{database, judge} }

const selectUsage = `SELECT p.id, p.name, COALESCE(u.used, 0), COALESCE(u.waiting, 0), COALESCE(o.bytes, d.bytes, -1),
		CASE WHEN o.project_id IS NULL THEN 0 ELSE 1 END
	FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id
	LEFT JOIN quotas o ON o.project_id = p.id LEFT JOIN quotas d ON d.project_id = 0 `

func scanUsage(s db.Scanner) (u Usage, err error) {
	var own int64
	err = s.Scan(&u.ID, &u.Project, &u.Used, &u.Waiting, &u.Limit, &own)
	u.Own = own != 0
	return u, err
}

// List lists all projects after last by name, at most n.
func (q *Quotas) List(ctx context.Context, by auth.Caller, last string, n int) ([]Usage, error) {
	if err := q.judge.Permit(ctx, q.db, by, Set, ""); err != nil {
		return nil, err
	}
	return db.All(ctx, q.db.Querier(), scanUsage, selectUsage+"WHERE p.name > $1 AND "+removed.Visible+
		" ORDER BY p.name LIMIT $2", last, n)
}

// Largest lists the projects that use most, at most n.
func (q *Quotas) Largest(ctx context.Context, by auth.Caller, n int) ([]Usage, error) {
	if err := q.judge.Permit(ctx, q.db, by, Set, ""); err != nil {
		return nil, err
	}
	return db.All(ctx, q.db.Querier(), scanUsage, selectUsage+"WHERE "+removed.Visible+
		" ORDER BY COALESCE(u.used, 0) DESC, p.name LIMIT $1", n)
}

// Of tells what one project uses.
func (q *Quotas) Of(ctx context.Context, by auth.Caller, project string) (Usage, error) {
	if err := q.judge.Permit(ctx, q.db, by, Look, project); err != nil {
		return Usage{}, err
	}
	u, err := scanUsage(q.db.Querier().Row(ctx, selectUsage+"WHERE p.name = $1", project))
	return u, db.NotFound(err, "project %q does not exist", project)
}

// Default is the limit of projects without one of their own.
func (q *Quotas) Default(ctx context.Context, by auth.Caller) (bytes int64, err error) {
	if err := q.judge.Permit(ctx, q.db, by, Set, ""); err != nil {
		return 0, err
	}
	return usage.DefaultLimit(ctx, q.db.Querier())
}

// Limit limits a project, or, for "", all that have no limit of their own; nil takes
// its own limit from it. A project that uses more by now keeps it and gets no more.
// Conditions are asked about the limit as it is, nil of a project without its own, within
// the transaction: the error of one is the answer, and nothing is changed.
func (q *Quotas) Limit(
	ctx context.Context, by auth.Caller, project string, bytes *int64, conditions ...func(now *int64) error,
) error {
	if bytes != nil && *bytes < Unlimited {
		return errdefs.Errorf(errdefs.ErrInvalid, "quota of %d bytes: use a number of bytes, or -1 for none", *bytes)
	}
	return q.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := q.judge.Permit(ctx, tx, by, Set, ""); err != nil {
			return err
		}
		var id int64
		if project != "" {
			p, err := tx.ProjectForUpdate(ctx, project)
			if err != nil {
				return err
			}
			id = p.ID
		}
		for _, met := range conditions {
			now, err := limitOf(ctx, tx, project)
			if err == nil {
				err = met(now)
			}
			if err != nil {
				return err
			}
		}
		if err := usage.SetLimit(ctx, tx.Tx, id, bytes); err != nil {
			return err
		}
		detail := "as all"
		if bytes != nil {
			detail = strconv.FormatInt(*bytes, 10)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "quota.set", Object: project, Detail: detail})
	})
}

// limitOf is a project's own limit, nil without one; for "" that of all others.
func limitOf(ctx context.Context, tx *metadata.Tx, project string) (*int64, error) {
	if project == "" {
		standard, err := usage.DefaultLimit(ctx, tx.Querier())
		return &standard, err
	}
	u, err := scanUsage(tx.Querier().Row(ctx, selectUsage+"WHERE p.name = $1", project))
	if err != nil || !u.Own {
		return nil, db.Unavailable(err)
	}
	return &u.Limit, nil
}

// Parse reads a limit as people type it: "10GiB" (and "10GB", which is 10^9 bytes, as
// elsewhere), a number of bytes, "none", or, for no limit of its own, "default".
func Parse(text string) (bytes *int64, err error) {
	limit := int64(Unlimited)
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "default":
		return nil, nil
	case "none", "unlimited", "-1":
		return &limit, nil
	}
	size := units.FromHumanSize
	if strings.Contains(strings.ToLower(text), "i") {
		size = units.RAMInBytes
	}
	if limit, err = size(strings.TrimSpace(text)); err != nil || limit < 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			`quota %q: use a size as 10GiB, a number of bytes, "none", or "default"`, text)
	}
	return &limit, nil
}

// Text is a limit as Parse reads it and people compare it.
func Text(bytes int64) string {
	if bytes == Unlimited {
		return "none"
	}
	for _, u := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= u.size && bytes%u.size == 0 {
			return fmt.Sprintf("%d%s", bytes/u.size, u.name)
		}
	}
	return strconv.FormatInt(bytes, 10)
}
