package replication

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/replication/endpoint"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// mostTold is how many tags webhooks hear of in all; the run itself has every one.
const mostTold = 500

// ended is called within the transaction that ends a run's job.
func (s *Service) ended(ctx context.Context, tx *metadata.Tx, j jobs.Job) error {
	if err := s.left(ctx, tx, j); err != nil {
		return err
	}
	return tell(ctx, tx, j)
}

// tell has webhooks hear of a run: those of each project of which something was copied,
// deleted or failed.
func tell(ctx context.Context, tx *metadata.Tx, j jobs.Job) error {
	id, err := strconv.ParseInt(j.Subject, 10, 64)
	if err != nil {
		return nil //nolint:nilerr // the job itself says what is wrong with it
	}
	rule, err := ruleByID(ctx, tx.Querier(), id)
	if err != nil {
		return nil //nolint:nilerr // a rule that is gone tells of nothing
	}
	items, err := db.All(ctx, tx.Querier(), scanItem, selectItems+`WHERE run_id = $1
		AND state IN ('copied', 'deleted', 'failed') ORDER BY repository, tag LIMIT $2`, j.ID, mostTold)
	if err != nil || len(items) == 0 {
		return err
	}
	other, err := endpoint.Named(ctx, tx.Querier(), rule.Endpoint)
	if err != nil {
		return err
	}
	projects := map[string]replicated{}
	for _, i := range items {
		here := i.Repository
		if rule.Direction == Pull {
			here = i.Target
		}
		project, _, _ := strings.Cut(here, "/")
		if _, ok := projects[project]; !ok {
			projects[project] = replicated{toldOf(rule, other, j)}
		}
		projects[project].add(here, i)
	}
	for _, project := range slices.Sorted(maps.Keys(projects)) {
		err := webhook.Emit(ctx, tx, webhook.Event{
			Type: payload.Replicated, Project: project, Operator: j.By, Replication: projects[project].Replication,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// toldOf is the run without its tags. Which registry is the source, Harbor tells by where it
// answers; of this one that is not known here, and its name says it.
func toldOf(rule Rule, other endpoint.Endpoint, j jobs.Job) *payload.Replication {
	told := &payload.Replication{
		Status: "Success", Description: rule.Name, Artifact: "artifact", Override: rule.Override, Creator: rule.By,
		Trigger: "MANUAL", StartedAt: j.StartedAt.Unix(),
		Source: &payload.End{Name: "Local", Type: "cove"},
		Target: &payload.End{Name: other.Name, Type: string(other.Kind), Endpoint: other.Host},
	}
	if rule.Direction == Pull {
		told.Source, told.Target = told.Target, told.Source
	}
	if j.State != jobs.Done {
		told.Status = "Failed"
	}
	return told
}

// add tells of one tag.
func (told replicated) add(here string, i Item) {
	project, short, _ := strings.Cut(here, "/")
	a := &payload.Artifact{Type: "artifact", Status: "Success", NameAndTag: short + ":" + i.Tag}
	for _, end := range []*payload.End{told.Source, told.Target} {
		if end.Name == "Local" {
			end.Namespace = project
		}
	}
	if i.State == Failed {
		a.Status, a.Reason = "Failed", i.Note
		told.Failed = append(told.Failed, a)
		return
	}
	told.Succeeded = append(told.Succeeded, a)
}

// replicated is what webhooks hear of one project.
type replicated struct{ *payload.Replication }
