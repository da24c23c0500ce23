package system

import (
	"strconv"

	"cove/registry/garbage"
	"cove/registry/jobs"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// shown is how many contents a dry run names.
const shown = 100

// lastRuns is how many collections that were asked for are listed.
const lastRuns = 10

type garbageData struct {
	Status garbage.Status
	Late   bool
	Plan   *garbage.Plan // of a dry run
	Runs   []jobs.Job
}

// collector shows how the collector stands, and what it would remove when that is asked for.
func (p *Pages) collector(a *page.Ask) (err error) {
	var d garbageData
	if d.Status, err = p.cfg.Collecting.Status(a.Context(), a.Caller); err != nil {
		return err
	}
	d.Late = !d.Status.Oldest.IsZero() && p.Now().Sub(d.Status.Oldest) > stale
	if a.FormValue("dry") == "1" {
		plan, err := p.cfg.Collecting.DryRun(a.Context(), a.Caller, shown)
		if err != nil {
			return err
		}
		d.Plan = &plan
	}
	d.Runs, _, err = p.cfg.Jobs.Page(a.Context(), a.Caller, jobs.Query{Kind: garbage.JobKind, N: lastRuns})
	if err != nil {
		return err
	}
	return p.Page(a, "garbage", "system", a.Language.Text("garbage.title"), d)
}

// collect has a server collect, and leads to the job that does.
func (p *Pages) collect(a *page.Ask) error {
	job, err := p.cfg.Collecting.Ask(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	return p.Done(a, "/jobs/"+strconv.FormatInt(job, 10), view.Notice{Text: a.Language.Text("garbage.asked")})
}
