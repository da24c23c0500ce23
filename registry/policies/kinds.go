package policies

import (
	"context"

	"cove/internal/plural"
	"cove/registry/audit"
	"cove/registry/jobs"
	"cove/registry/quota"
	"cove/registry/scan"
)

// auditRetention is the kind of the job that removes old lines of the audit log, and makes
// room for those to come.
const auditRetention = "audit-retention"

// ProxyEviction is the kind of the job that removes what nobody pulls through proxies any
// more. It and garbage.JobKind are done by the server itself.
const ProxyEviction = "proxy-eviction"

// Kinds are what a server does apart from requests, for its runner.
func (p *Policies) Kinds() []jobs.Kind {
	kinds := []jobs.Kind{
		{Name: auditRetention, Tries: 3, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			if err := audit.Prepare(ctx, p.db, p.db.Now()); err != nil {
				return "", err
			}
			n, err := audit.Forget(ctx, p.db, p.db.Now().Add(-p.auditKeep))
			return plural.Sprintf("removed %d lines", n), err
		}},
		p.Names.Kind(),
		p.Quotas.Kind(),
		p.Replication.Kind(),
		p.Webhooks.Kind(),
		p.Retention.Kind(),
	}
	kinds = append(kinds, p.History.Kinds()...)
	for _, k := range p.Scans.Kinds() {
		if k.Name == scan.JobScan || k.Name == scan.JobOther {
			k.Ended = scanEnded
		}
		kinds = append(kinds, k)
	}
	return kinds
}

// Schedules are those that every registry has.
func Schedules() []jobs.Schedule {
	return append([]jobs.Schedule{
		{Kind: auditRetention, Cron: "40 2 * * *"},
		{Kind: quota.JobKind, Cron: "10 3 * * *"},
	}, scan.Schedules()...)
}
