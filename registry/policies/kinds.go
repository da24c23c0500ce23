package policies

import (
	"context"
	"fmt"
	"time"

	"cove/registry/audit"
	"cove/registry/jobs"
)

// auditRetention is the kind of the job that removes old lines of the audit log.
const auditRetention = "audit-retention"

// Kinds are what a server does apart from requests, for its runner.
func (p *Policies) Kinds() []jobs.Kind {
	return []jobs.Kind{
		{Name: auditRetention, Tries: 3, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			n, err := audit.Forget(ctx, p.db, time.Now().Add(-p.auditKeep))
			return fmt.Sprintf("removed %d lines", n), err
		}},
		p.History.Kind(),
	}
}

// Schedules are those that every registry has.
func Schedules() []jobs.Schedule {
	return []jobs.Schedule{{Kind: auditRetention, Cron: "40 2 * * *"}}
}
