package server

import (
	"context"
	"fmt"
	"time"

	"cove/registry/audit"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// auditRetention is the kind of the job that removes old lines of the audit log.
const auditRetention = "audit-retention"

// proxyEviction is the kind of the job that removes what nobody pulls through
// proxies any more.
const proxyEviction = "proxy-eviction"

// kinds are all that a server does apart from requests.
func (s *Server) kinds() []jobs.Kind {
	return []jobs.Kind{
		{Name: auditRetention, Tries: 3, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			n, err := audit.Forget(ctx, s.state.db, time.Now().Add(-s.cfg.Audit.KeepFor()))
			return fmt.Sprintf("removed %d lines", n), err
		}},
		{Name: proxyEviction, Run: func(ctx context.Context, _ *jobs.Work) (string, error) {
			n, err := s.upstream.Evict(ctx, s.registry)
			return fmt.Sprintf("removed %d tags and manifests", n), err
		}},
	}
}

// schedules are those that the server itself has.
func schedules() []jobs.Schedule {
	return []jobs.Schedule{{Kind: auditRetention, Cron: "40 2 * * *"}, {Kind: proxyEviction, Cron: "17 * * * *"}}
}

// keepSchedules adds the server's own schedules where they are not there as they
// are now. The others keep their next time: a restart must not put it off.
func (s *Server) keepSchedules(ctx context.Context) error {
	return s.state.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, own := range schedules() {
			there, found, err := jobs.ScheduleOf(ctx, tx.Querier(), own.Kind, own.Subject)
			if err == nil && (!found || there.Cron != own.Cron) {
				err = jobs.SetSchedule(ctx, tx, own)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
