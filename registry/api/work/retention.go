package work

import (
	"strconv"
	"time"

	"cove/registry/api/rest"
	"cove/registry/retention"
	"cove/registry/selector"
)

// RetentionRule keeps artifacts.
type RetentionRule struct {
	Selector Selector `json:"selector"`
	// Labels are globs: it speaks of artifacts that have a label for each of them, or,
	// with exceptLabels, no label for any.
	Labels       []string `json:"labels,omitempty"`
	ExceptLabels bool     `json:"exceptLabels,omitempty"`
	// Untagged: it speaks of artifacts without a tag too.
	Untagged bool `json:"untagged,omitempty"`
	// Template is always, nothing, nDaysSinceLastPush, nDaysSinceLastPull, latestPushedK,
	// latestPulledN or latestActiveK.
	Template string `json:"template"`
	N        int    `json:"n,omitempty"` // of days, or of artifacts in each repository
}

// KeptRule is a rule of a project.
type KeptRule struct {
	ID           string    `json:"id"`
	Selector     Selector  `json:"selector"`
	Labels       []string  `json:"labels,omitempty"`
	ExceptLabels bool      `json:"exceptLabels,omitempty"`
	Untagged     bool      `json:"untagged,omitempty"`
	Template     string    `json:"template"`
	N            int       `json:"n,omitempty"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
}

// RetentionSchedule is when the rules of a project are run.
type RetentionSchedule struct {
	Cron string     `json:"cron"` // as "30 3 * * *"; "" for never
	Zone string     `json:"zone"` // as Europe/Berlin; "" for UTC
	Next *time.Time `json:"next,omitempty"`
}

// Retention is all that a project says of it.
type Retention struct {
	Rules    []KeptRule        `json:"rules"`
	Schedule RetentionSchedule `json:"schedule"`
}

// RetentionGone is an artifact that a run deletes.
type RetentionGone struct {
	Repository string     `json:"repository"`
	Digest     string     `json:"digest"`
	Tags       []string   `json:"tags"`
	PushedAt   time.Time  `json:"pushedAt"`
	PulledAt   *time.Time `json:"pulledAt,omitempty"`
	Why        []string   `json:"why"` // for each rule that speaks of it; none does if there are none
}

// RetentionPlan is what a run would do now.
type RetentionPlan struct {
	Artifacts int             `json:"artifacts"` // that would be deleted
	With      int             `json:"with"`      // manifests that go with them
	Kept      int             `json:"kept"`
	Space     Share           `json:"space"` // of all that would be deleted
	Gone      []RetentionGone `json:"gone"`  // the first of them
}

// KeptRuleOf is a rule as the API and the command line show it.
func KeptRuleOf(k retention.Kept) KeptRule {
	return KeptRule{
		id(k.ID), Selector(k.Selector), k.Labels, k.ExceptLabels, k.Untagged, string(k.Template), k.N, k.By, k.At.UTC(),
	}
}

// RetentionGoneOf is an artifact as the API and the command line show it.
func RetentionGoneOf(g retention.Gone) RetentionGone {
	why := make([]string, len(g.Misses))
	for i, m := range g.Misses {
		why[i] = m.String()
	}
	return RetentionGone{
		g.Repository, g.Digest.String(), append([]string{}, g.Tags...), g.Pushed.UTC(), rest.Moment(g.Pulled), why,
	}
}

func (w *Work) retention() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects/{project}/retention", Right: retention.Look, Object: "project",
			ID: "getRetention", Summary: "What of a project is kept when old artifacts are removed, and when that is",
			Answer: Retention{},
			Status: 200, Serve: w.retentionGet,
		},
		{
			Method: post, Path: "/projects/{project}/retention", Right: retention.Change, Object: "project",
			ID: "addRetentionRule", Summary: "Keep artifacts; what no rule keeps of the repositories that rules speak of goes",
			Body:   RetentionRule{},
			Answer: KeptRule{},
			Status: 201, Serve: w.retentionAdd,
		},
		{
			Method: remove, Path: "/projects/{project}/retention/{rule}", Right: retention.Change, Object: "project",
			ID: "deleteRetentionRule", Summary: "Remove a rule",
			Status: 204, Serve: w.retentionRemove,
		},
		{
			Method: put, Path: "/projects/{project}/retention/schedule", Right: retention.Change, Object: "project",
			ID: "setRetentionSchedule", Summary: "Say when the rules are run",
			Body:   RetentionSchedule{},
			Status: 204, Serve: w.retentionSchedule,
		},
		{
			Method: get, Path: "/projects/{project}/retention/preview", Right: retention.Look, Object: "project",
			ID: "previewRetention", Summary: "What a run would delete now, why, and what that frees",
			Query: []rest.Parameter{{
				Name: "most", About: "how many artifacts are listed, 1 to 100,000; 1,000 if it is not said",
				Kind: rest.KindNumber,
			}},
			Answer: RetentionPlan{},
			Status: 200, Serve: w.retentionPreview,
		},
		{
			Method: post, Path: "/projects/{project}/retention/run", Right: retention.Start, Object: "project",
			ID: "runRetention", Summary: "Run the rules, by a job",
			Answer: Started{},
			Status: 202, Serve: w.retentionRun,
		},
	}
}

// Started is the job that does what was asked for.
type Started struct {
	Job string `json:"job"`
}

func (w *Work) retentionGet(asked *rest.Ask) (any, error) {
	p, err := w.p.Retention.Of(asked.Context(), asked.Caller, asked.PathValue("project"))
	out := Retention{
		Rules:    make([]KeptRule, len(p.Rules)),
		Schedule: RetentionSchedule{Cron: p.Schedule.Cron, Zone: p.Schedule.Zone},
	}
	if p.Schedule.Cron != "" {
		out.Schedule.Next = rest.Moment(p.Schedule.Next)
	}
	for i, k := range p.Rules {
		out.Rules[i] = KeptRuleOf(k)
	}
	return out, err
}

func (w *Work) retentionAdd(asked *rest.Ask) (any, error) {
	var r RetentionRule
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	k, err := w.p.Retention.Add(asked.Context(), asked.Caller, asked.PathValue("project"), retention.Rule{
		Selector: selector.Selector(r.Selector),
		Labelled: retention.Labelled{Labels: r.Labels, ExceptLabels: r.ExceptLabels},
		Untagged: r.Untagged, Template: retention.Template(r.Template), N: r.N,
	})
	return KeptRuleOf(k), err
}

func (w *Work) retentionRemove(asked *rest.Ask) (any, error) {
	n, err := Numbered(asked.PathValue("rule"))
	if err != nil {
		return nil, err
	}
	return nil, w.p.Retention.Remove(asked.Context(), asked.Caller, asked.PathValue("project"), n)
}

func (w *Work) retentionSchedule(asked *rest.Ask) (any, error) {
	var s RetentionSchedule
	if err := asked.Read(&s); err != nil {
		return nil, err
	}
	return nil, w.p.Retention.Schedule(asked.Context(), asked.Caller, asked.PathValue("project"), s.Cron, s.Zone)
}

func (w *Work) retentionPreview(asked *rest.Ask) (any, error) {
	most, err := listed(asked.Query.Get("most"))
	if err != nil {
		return nil, err
	}
	p, err := w.p.Retention.Preview(asked.Context(), asked.Caller, asked.PathValue("project"))
	if err != nil {
		return nil, err
	}
	out := RetentionPlan{
		Artifacts: len(p.Gone), With: len(p.With), Kept: p.Kept, Space: ShareOf(p.Share), Gone: []RetentionGone{},
	}
	for _, g := range p.Gone[:min(len(p.Gone), most)] {
		out.Gone = append(out.Gone, RetentionGoneOf(g))
	}
	return out, nil
}

// listed is how many artifacts of a plan are asked for.
func listed(text string) (int, error) {
	const usual, most = 1000, 100_000
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, rest.Invalid("query: most %q is not a number from 1 to %d", text, most)
	}
	return n, nil
}

func (w *Work) retentionRun(asked *rest.Ask) (any, error) {
	job, err := w.p.Retention.Run(asked.Context(), asked.Caller, asked.PathValue("project"))
	return Started{id(job)}, err
}
