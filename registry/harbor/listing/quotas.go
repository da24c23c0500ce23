package listing

import (
	"context"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// Quota is what a project uses and may use, in bytes; -1 is no limit.
type Quota struct {
	ProjectID      int64
	Project, Owner string
	CreatedAt      time.Time
	Used, Limit    int64
}

// Quotas narrows and orders a list of quotas.
type Quotas struct {
	ProjectID int64  // 0 is all
	Order     string // as Harbor's sort; "" is by name
}

const quotaFrom = `FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id
	LEFT JOIN quotas o ON o.project_id = p.id LEFT JOIN quotas d ON d.project_id = 0 `

const quotaColumns = `p.id, p.name, p.created_by, p.created_at, COALESCE(u.used, 0), COALESCE(o.bytes, d.bytes, -1)`

// quotaOrders are the orders that Harbor has.
var quotaOrders = map[string]string{
	"":              "p.name",
	"id":            "p.id",
	"hard.storage":  "COALESCE(o.bytes, d.bytes, -1)",
	"used.storage":  "COALESCE(u.used, 0)",
	"creation_time": "p.created_at",
	"update_time":   "p.created_at",
}

func scanQuota(s db.Scanner) (q Quota, err error) {
	var created int64
	err = s.Scan(&q.ProjectID, &q.Project, &q.Owner, &created, &q.Used, &q.Limit)
	q.CreatedAt = time.UnixMicro(created).UTC()
	return q, err
}

// Quotas lists the quotas of all projects. An order that is none is errdefs.ErrInvalid.
func (l Lists) Quotas(ctx context.Context, of Quotas, page Page) ([]Quota, int64, error) {
	name, down := strings.CutPrefix(of.Order, "-")
	order, ok := quotaOrders[name]
	if !ok {
		return nil, 0, errdefs.Errorf(errdefs.ErrInvalid,
			"query: sort %q is not one of id, hard.storage, used.storage, creation_time, with a - to turn it", of.Order)
	}
	if down {
		order += " DESC"
	}
	return list(ctx, l.Q, scanQuota, query{
		from: quotaFrom + "WHERE ($1 = 0 OR p.id = $1) ", columns: quotaColumns, order: order + ", p.id",
		args: []any{of.ProjectID},
	}, page)
}

// Quota is that of a project, by its number; errdefs.ErrNotFound if there is none.
func (l Lists) Quota(ctx context.Context, id int64) (Quota, error) {
	q, err := scanQuota(l.Q.Row(ctx, "SELECT "+quotaColumns+" "+quotaFrom+"WHERE p.id = $1", id))
	return q, db.NotFound(err, "quota %d does not exist", id)
}
