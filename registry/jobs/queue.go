package jobs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Queue is how the work of one kind stands.
type Queue struct {
	Kind             string
	Waiting, Running int64
	Oldest           time.Time // when the job that has been due longest was to begin; zero without one
	PausedAt         time.Time // since when no job of the kind begins; zero while they do
	PausedBy         string
}

// Paused says that no job of the kind begins.
func (q Queue) Paused() bool { return !q.PausedAt.IsZero() }

// Know tells which kinds there are: those have queues, and can be paused.
func (s *Jobs) Know(kinds ...string) {
	s.kinds = append(s.kinds, kinds...)
	slices.Sort(s.kinds)
	s.kinds = slices.Compact(s.kinds)
}

// Queues lists the kinds of jobs by name.
func (s *Jobs) Queues(ctx context.Context, by auth.Caller) ([]Queue, error) {
	if err := s.permit(ctx, by); err != nil {
		return nil, err
	}
	all := map[string]Queue{}
	for _, kind := range s.kinds {
		q, err := s.queue(ctx, kind)
		if err != nil {
			return nil, err
		}
		all[kind] = q
	}
	err := db.Each(ctx, s.db.Querier(), func(row db.Scanner) (bool, error) {
		var kind, who string
		var at int64
		err := row.Scan(&kind, &who, &at)
		q := all[kind]
		q.Kind, q.PausedBy, q.PausedAt = kind, who, moment(at)
		all[kind] = q
		return true, err
	}, "SELECT kind, paused_by, paused_at FROM paused_kinds")
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Queue) int { return strings.Compare(a.Kind, b.Kind) }), nil
}

// queue counts what waits and runs of a kind. Of each kind apart, so that an index leads to it.
func (s *Jobs) queue(ctx context.Context, kind string) (q Queue, err error) {
	var oldest int64
	err = s.db.Querier().Row(ctx, `SELECT COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0),
		COALESCE(MIN(CASE WHEN state = 'waiting' AND due_at <= $2 THEN due_at END), 0)
		FROM jobs WHERE kind = $1 AND ended_at = 0`, kind, db.Micros(s.db.Now())).Scan(&q.Waiting, &q.Running, &oldest)
	q.Kind, q.Oldest = kind, moment(oldest)
	return q, db.Unavailable(err)
}

// Pause has no job of a kind begin any more, in any server. What runs goes on, and what is
// added waits. An unknown kind is errdefs.ErrNotFound; one that is paused stays so.
func (s *Jobs) Pause(ctx context.Context, by auth.Caller, kind string) error {
	return s.pausing(ctx, by, kind, "job.pause", func(ctx context.Context, tx *metadata.Tx) (int64, error) {
		return tx.Tx.Exec(ctx, `INSERT INTO paused_kinds (kind, paused_by, paused_at) VALUES ($1, $2, $3)
			ON CONFLICT (kind) DO NOTHING`, kind, by.Name, db.Micros(tx.Now()))
	})
}

// Resume is the way back from Pause.
func (s *Jobs) Resume(ctx context.Context, by auth.Caller, kind string) error {
	return s.pausing(ctx, by, kind, "job.resume", func(ctx context.Context, tx *metadata.Tx) (int64, error) {
		return tx.Tx.Exec(ctx, "DELETE FROM paused_kinds WHERE kind = $1", kind)
	})
}

func (s *Jobs) pausing(ctx context.Context, by auth.Caller, kind, action string,
	change func(context.Context, *metadata.Tx) (int64, error),
) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, auth.ManageJobs, ""); err != nil {
			return err
		}
		if !slices.Contains(s.kinds, kind) {
			return errdefs.Errorf(errdefs.ErrNotFound, "there is no kind of jobs %q; there are %s", kind,
				strings.Join(s.kinds, ", "))
		}
		changed, err := change(ctx, tx)
		if err != nil || changed == 0 {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: action, Object: kind})
	})
}

// paused are the kinds of which no job begins.
func paused(ctx context.Context, q db.Querier) (map[string]bool, error) {
	kinds, err := db.All(ctx, q, db.ScanString, "SELECT kind FROM paused_kinds")
	all := map[string]bool{}
	for _, kind := range kinds {
		all[kind] = true
	}
	return all, err
}
