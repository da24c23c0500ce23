package retention

import (
	"context"
	"strings"

	"cove/registry/jobs"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// mostTold is how many artifacts one event names; the run's job has the numbers of all.
const mostTold = 500

// tell has the project's webhooks hear of what a run deleted.
func (r *Retention) tell(ctx context.Context, j jobs.Job, p Plan) error {
	told := &payload.Retention{
		Project: j.Subject, Total: len(p.Gone) + p.Kept, Retained: p.Kept, Status: "Success",
	}
	for _, g := range p.Gone[:min(len(p.Gone), mostTold)] {
		_, short, _ := strings.Cut(g.Repository, "/")
		names := []string{short + "@" + g.Digest.String()}
		if len(g.Tags) > 0 {
			names = nil
		}
		for _, tag := range g.Tags {
			names = append(names, short+":"+tag)
		}
		for _, name := range names {
			told.Deleted = append(told.Deleted, &payload.Artifact{
				Type: "artifact", Status: "Success", NameAndTag: name,
			})
		}
	}
	return webhook.Publish(ctx, r.db, webhook.Event{
		Type: payload.TagRetention, Project: j.Subject, Operator: j.By, Retention: told,
	})
}
