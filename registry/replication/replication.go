// Package replication copies images between this registry and others, by rule.
//
// A rule chooses tags at a source, this registry or an endpoint, and copies what
// they name to the other side, with all that refers to it. Each run of a rule is a
// job and a row for each tag, so that it is seen while it runs, stopped, and gone on
// with by another server when its own is killed: what is done is not done again, and
// the middle of a large blob is where its upload goes on. What fails of one tag is
// written beside it, tried again, and ends nothing else.
//
// A rule has one run at a time. What happens meanwhile waits in rows of its own,
// which are written within the transaction that it happens in.
package replication

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"cove/distribution"
	"cove/distribution/client"
	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/replication/endpoint"
)

// JobKind is the kind of the jobs that are runs. Their subject is the rule's id.
const JobKind = "replication"

// Config is what the service needs. Registry is nil beside a server, which then does
// the runs that are asked for.
type Config struct {
	DB        *metadata.DB
	Judge     auth.Judge
	Endpoints *endpoint.Service
	// Registry is what is copied from and to here.
	Registry distribution.Registry
	// Client is how endpoints are reached, but for credentials and authorities.
	Client client.Config
	Log    *slog.Logger
	// Pause is how long a run waits before it tries again what has failed for the nth
	// time; nil is 5 seconds, then 30.
	Pause func(failures int) time.Duration
}

// Service manages rules and their runs. All of it takes the right
// auth.ManageRegistries; who has it not gets the errors of auth.Judge's Permit.
type Service struct {
	cfg Config
	db  *metadata.DB
}

// New returns the service.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Pause == nil {
		cfg.Pause = func(failures int) time.Duration {
			if failures <= 1 {
				return 5 * time.Second
			}
			return 30 * time.Second
		}
	}
	return &Service{cfg, cfg.DB}
}

func (s *Service) permit(ctx context.Context, q auth.Standings, by auth.Caller) error {
	return s.cfg.Judge.Permit(ctx, q, by, auth.ManageRegistries, "")
}

const selectRules = `SELECT r.id, r.name, e.name, r.settings, r.enabled, r.created_by, r.created_at,
	COALESCE((SELECT next_at FROM schedules s WHERE s.kind = 'replication' AND s.subject = CAST(r.id AS TEXT)), 0)
	FROM replication_rules r JOIN endpoints e ON e.id = r.endpoint_id `

func scanRule(s db.Scanner) (r Rule, err error) {
	var settings string
	var enabled, at, next int64
	if err = s.Scan(&r.ID, &r.Name, &r.Endpoint, &settings, &enabled, &r.By, &at, &next); err == nil {
		err = json.Unmarshal([]byte(settings), &r.Options)
	}
	r.Enabled, r.At = enabled != 0, time.UnixMicro(at)
	if next != 0 {
		r.Next = time.UnixMicro(next)
	}
	return r, err
}

// List lists the rules by name.
func (s *Service) List(ctx context.Context, by auth.Caller) ([]Rule, error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return nil, err
	}
	return db.All(ctx, s.db.Querier(), scanRule, selectRules+"ORDER BY r.name")
}

// Get is one rule, or errdefs.ErrNotFound.
func (s *Service) Get(ctx context.Context, by auth.Caller, name string) (Rule, error) {
	if err := s.permit(ctx, s.db, by); err != nil {
		return Rule{}, err
	}
	return named(ctx, s.db.Querier(), name)
}

func named(ctx context.Context, q db.Querier, name string) (Rule, error) {
	r, err := scanRule(q.Row(ctx, selectRules+"WHERE r.name = $1", name))
	return r, db.NotFound(err, "there is no replication rule %q", name)
}

func ruleByID(ctx context.Context, q db.Querier, id int64) (Rule, error) {
	r, err := scanRule(q.Row(ctx, selectRules+"WHERE r.id = $1", id))
	return r, db.NotFound(err, "there is no replication rule %d", id)
}

// Create adds a rule; one of that name is errdefs.ErrExists.
func (s *Service) Create(ctx context.Context, by auth.Caller, r Rule) (Rule, error) {
	return s.store(ctx, by, r, func(ctx context.Context, tx *metadata.Tx, r *Rule) error {
		_, err := named(ctx, tx.Querier(), r.Name)
		if err == nil {
			return errdefs.Errorf(errdefs.ErrExists, "there is a replication rule %q already", r.Name)
		}
		r.ID, r.By, r.At = tx.Tx.NewID(), by.Name, tx.Now()
		return nil
	})
}

// Set changes a rule to what r says, all of it. A run that goes on ends as it began.
func (s *Service) Set(ctx context.Context, by auth.Caller, r Rule) (Rule, error) {
	return s.store(ctx, by, r, func(ctx context.Context, tx *metadata.Tx, r *Rule) error {
		old, err := named(ctx, tx.Querier(), r.Name)
		r.ID, r.By, r.At = old.ID, old.By, old.At
		return err
	})
}

// store writes a rule and its schedule; which gives it its id.
func (s *Service) store(
	ctx context.Context, by auth.Caller, r Rule, which func(context.Context, *metadata.Tx, *Rule) error,
) (Rule, error) {
	if err := checkName(r.Name); err != nil {
		return r, err
	}
	if err := r.Check(s.cfg.DB.Now()); err != nil {
		return r, err
	}
	settings, err := json.Marshal(r.Options)
	if err != nil {
		return r, err
	}
	err = s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		at, err := endpoint.Named(ctx, tx.Querier(), r.Endpoint)
		if err != nil {
			return err
		}
		if err := which(ctx, tx, &r); err != nil {
			return err
		}
		if _, err := tx.Tx.Exec(ctx, `INSERT INTO replication_rules
			(id, name, endpoint_id, settings, on_event, enabled, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET endpoint_id = excluded.endpoint_id,
			settings = excluded.settings, on_event = excluded.on_event, enabled = excluded.enabled`,
			r.ID, r.Name, at.ID, string(settings), db.Number(r.OnEvent), db.Number(r.Enabled), r.By,
			db.Micros(r.At)); err != nil {
			return db.Unavailable(err)
		}
		if err := r.setSchedule(ctx, tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "replication.set", Object: r.Name,
			Detail: string(r.Direction) + " " + r.Endpoint + ": " + r.Filter.String(),
		})
	})
	return r, err
}

func (r Rule) subject() string { return strconv.FormatInt(r.ID, 10) }

func (r Rule) setSchedule(ctx context.Context, tx *metadata.Tx) error {
	if r.Schedule == "" || !r.Enabled {
		return jobs.RemoveSchedule(ctx, tx, JobKind, r.subject())
	}
	args, err := json.Marshal(order{Cause: Scheduled})
	if err != nil {
		return err
	}
	return jobs.SetSchedule(ctx, tx, jobs.Schedule{
		Kind: JobKind, Subject: r.subject(), By: r.By, Cron: r.Schedule, Zone: r.Zone, Args: args,
	})
}

// Enable lets a rule work, or not: then only who asks for a run by hand gets one.
func (s *Service) Enable(ctx context.Context, by auth.Caller, name string, on bool) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		r, err := named(ctx, tx.Querier(), name)
		if err != nil {
			return err
		}
		r.Enabled = on
		if _, err := tx.Tx.Exec(ctx, "UPDATE replication_rules SET enabled = $2 WHERE id = $1", r.ID,
			db.Number(on)); err != nil {
			return db.Unavailable(err)
		}
		if err := r.setSchedule(ctx, tx); err != nil {
			return err
		}
		action := "replication.disable"
		if on {
			action = "replication.enable"
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: action, Object: name})
	})
}

// Remove removes a rule with what is known of its runs. One that runs is stopped.
// What it has copied stays.
func (s *Service) Remove(ctx context.Context, by auth.Caller, name string) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by); err != nil {
			return err
		}
		r, err := named(ctx, tx.Querier(), name)
		if err != nil {
			return err
		}
		if _, err := tx.Tx.Exec(ctx, "UPDATE jobs SET stop = 1 WHERE kind = $1 AND subject = $2 AND ended_at = 0",
			JobKind, r.subject()); err != nil {
			return db.Unavailable(err)
		}
		if err := jobs.RemoveSchedule(ctx, tx, JobKind, r.subject()); err != nil {
			return err
		}
		for _, stmt := range []string{
			"DELETE FROM replication_items WHERE run_id IN (SELECT id FROM replication_runs WHERE rule_id = $1)",
			"DELETE FROM replication_runs WHERE rule_id = $1", "DELETE FROM replication_pending WHERE rule_id = $1",
			"DELETE FROM replication_copies WHERE rule_id = $1", "DELETE FROM replication_uploads WHERE rule_id = $1",
			"DELETE FROM replication_rules WHERE id = $1",
		} {
			if _, err := tx.Tx.Exec(ctx, stmt, r.ID); err != nil {
				return db.Unavailable(err)
			}
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "replication.remove", Object: name})
	})
}
