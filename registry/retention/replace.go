package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// Replace puts rules and a schedule in the place of all those of a project, in one step:
// a run finds the rules of before or those of after. A rule that is there already keeps its
// number. A cron of "" is no schedule; one that is there keeps its time zone.
func (r *Retention) Replace(ctx context.Context, by auth.Caller, project string, all []Rule, cron string) error {
	names := make([]string, len(all))
	for i, rule := range all {
		if err := rule.Check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		names[i] = rule.String()
	}
	if len(all) > MaxRules {
		return errdefs.Errorf(errdefs.ErrInvalid, "%d rules: a project has %d at most", len(all), MaxRules)
	}
	c := audit.Change{Action: "retention.set", Object: project, Detail: strings.Join(append(names, cron), "; ")}
	return r.change(ctx, by, c, func(ctx context.Context, tx *metadata.Tx) error {
		p, err := tx.ProjectForUpdate(ctx, project)
		if err != nil {
			return err
		}
		if err := put(ctx, tx, p, by.Name, all); err != nil {
			return err
		}
		return reschedule(ctx, tx, by.Name, project, cron)
	})
}

// put writes the rules, in their order: that of their numbers.
func put(ctx context.Context, tx *metadata.Tx, p metadata.Project, by string, all []Rule) error {
	there, err := Of(ctx, tx.Querier(), p.Name)
	if err != nil {
		return err
	}
	same := 0
	for same < min(len(there), len(all)) && there[same].equal(all[same]) {
		same++
	}
	for _, k := range there[same:] {
		if _, err := tx.Tx.Exec(ctx, "DELETE FROM retention_rules WHERE id = $1", k.ID); err != nil {
			return db.Unavailable(err)
		}
	}
	for _, rule := range all[same:] {
		text, err := json.Marshal(rule)
		if err != nil {
			return err
		}
		if _, err := tx.Tx.Exec(ctx, `INSERT INTO retention_rules (id, project_id, rule, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5)`, tx.Tx.NewID(), p.ID, string(text), by, db.Micros(tx.Now())); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

func reschedule(ctx context.Context, tx *metadata.Tx, by, project, cron string) error {
	if cron == "" {
		return jobs.RemoveSchedule(ctx, tx, JobKind, project)
	}
	there, _, err := jobs.ScheduleOf(ctx, tx.Querier(), JobKind, project)
	if err != nil {
		return err
	}
	return jobs.SetSchedule(ctx, tx, jobs.Schedule{
		Kind: JobKind, Subject: project, Project: project, By: by, Cron: cron, Zone: there.Zone,
		Args: json.RawMessage(bySchedule),
	})
}
