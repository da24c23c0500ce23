package listing

import (
	"context"
	"time"

	"cove/registry/db"
	"cove/registry/metadata/removed"
)

// Quota is what a project uses and may use, in bytes; -1 is no limit.
type Quota struct {
	ProjectID      int64
	Project, Owner string
	CreatedAt      time.Time
	Used, Limit    int64
}

const quotaFrom = `FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id
	LEFT JOIN quotas o ON o.project_id = p.id LEFT JOIN quotas d ON d.project_id = 0 `

const quotaColumns = `p.number, p.name, p.created_by, p.created_at, COALESCE(u.used, 0), COALESCE(o.bytes, d.bytes, -1)`

var fieldsOfQuotas = map[string]field{
	"id": {column: "p.number", kind: counts}, "reference_id": {column: "p.number", kind: counts},
	"hard.storage":  {column: "COALESCE(o.bytes, d.bytes, -1)", kind: counts},
	"used.storage":  {column: "COALESCE(u.used, 0)", kind: counts},
	"creation_time": {column: "p.created_at", kind: times},
	"update_time":   {column: "p.created_at", kind: times},
}

func scanQuota(s db.Scanner) (q Quota, err error) {
	var created int64
	err = s.Scan(&q.ProjectID, &q.Project, &q.Owner, &created, &q.Used, &q.Limit)
	q.CreatedAt = time.UnixMicro(created).UTC()
	return q, err
}

// Quotas lists the quotas of all projects, or of the one of a number that is not 0.
func (l Lists) Quotas(ctx context.Context, project int64, page Page) ([]Quota, int64, error) {
	return list(ctx, l.Q, scanQuota, query{
		from:    quotaFrom + "WHERE " + removed.Visible + " AND ($1 = 0 OR p.number = $1) ",
		columns: quotaColumns, order: "p.name", args: []any{project}, fields: fieldsOfQuotas,
	}, page)
}

// Quota is that of a project, by its number; errdefs.ErrNotFound if there is none.
func (l Lists) Quota(ctx context.Context, id int64) (Quota, error) {
	q, err := scanQuota(l.Q.Row(ctx, "SELECT "+quotaColumns+" "+quotaFrom+"WHERE p.number = $1", id))
	return q, db.NotFound(err, "quota %d does not exist", id)
}
