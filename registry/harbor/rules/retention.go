package rules

import (
	"fmt"
	"strconv"
	"time"

	"cove/errdefs"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/jobs"
	"cove/registry/retention"
)

// A project has one policy of retention, whose number is the project's. It is there as soon
// as the project has a rule or a schedule.

const (
	retain    = "retain"
	lastXDays = "lastXDays" // what Harbor called nDaysSinceLastPush before
	algorithm = "or"
	scheduled = "Schedule"
	byHand    = "Manual"
)

func retentionRuleOf(k retention.Kept) shape.RetentionRule {
	r := shape.RetentionRule{
		ID: k.ID, Action: retain, Template: string(k.Template), Params: map[string]any{},
	}
	if k.Template.Counts() {
		r.Params[string(k.Template)] = k.N
	}
	r.Tags, r.Selectors = edge.SelectorsOf(k.Selector)
	r.Tags[0].Extras = edge.ExtrasOf(k.Untagged)
	if len(k.Labels) > 0 {
		r.Tags = append(r.Tags, edge.LabelsOf(k.Labels, k.ExceptLabels))
	}
	return r
}

// retentionRule is the rule that a request describes.
func retentionRule(in shape.RetentionRule) (r retention.Rule, err error) {
	switch {
	case in.Disabled:
		return r, edge.Unsupported("a rule that is disabled: make it when it is to hold")
	case in.Action != "" && in.Action != retain:
		return r, edge.Unsupported("the action %q of a rule", in.Action)
	}
	tags, names, except, err := edge.LabelsIn(in.Tags)
	if err != nil {
		return r, err
	}
	r.Labelled = retention.Labelled{Labels: names, ExceptLabels: except}
	if r.Selector, err = edge.SelectorOf(tags, in.Selectors); err != nil {
		return r, err
	}
	if r.Untagged, err = edge.Untagged(tags[0]); err != nil {
		return r, err
	}
	if r.Template = retention.Template(in.Template); in.Template == lastXDays {
		r.Template = retention.DaysPushed
	}
	for name, value := range in.Params {
		n, isNumber := value.(float64)
		switch {
		case name == in.Template && isNumber && n == float64(int(n)):
			r.N = int(n)
		case name != in.Template && (value == nil || value == 0.0):
		default:
			return r, edge.Invalid("body: params should be {%q: NUMBER} for this template, not %v", in.Template, in.Params)
		}
	}
	return r, r.Check()
}

// retentionOf is what a request says of a project.
func retentionOf(r shape.Retention) (all []retention.Rule, cron string, err error) {
	if r.Algorithm != "" && r.Algorithm != algorithm {
		return nil, "", edge.Unsupported("the algorithm %q: what one rule keeps stays", r.Algorithm)
	}
	for i, in := range r.Rules {
		rule, err := retentionRule(in)
		if err != nil {
			return nil, "", fmt.Errorf("rule %d: %w", i+1, err)
		}
		all = append(all, rule)
	}
	if r.Trigger == nil {
		return all, "", nil
	}
	if r.Trigger.Kind != scheduled && r.Trigger.Kind != "" {
		return nil, "", edge.Unsupported("the kind %q of a trigger", r.Trigger.Kind)
	}
	cron, ok := r.Trigger.Settings["cron"].(string)
	if !ok && r.Trigger.Settings["cron"] != nil {
		return nil, "", edge.Invalid("body: trigger.settings.cron is no text")
	}
	return all, cron, nil
}

func (o operations) retentionGet(asked *edge.Ask) (any, error) {
	p, err := o.Policies.Retention.Of(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return nil, err
	}
	id, err := o.ProjectID(asked)
	if err != nil {
		return nil, err
	}
	if len(p.Rules) == 0 && p.Schedule.Cron == "" {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "project %q has no policy of retention", asked.Project)
	}
	shown := shape.Retention{
		ID: id, Algorithm: algorithm, Rules: []shape.RetentionRule{},
		Trigger: &shape.Trigger{
			Kind: scheduled, References: map[string]any{}, Settings: map[string]any{"cron": p.Schedule.Cron},
		},
		Scope: &shape.RetentionScope{Level: "project", Ref: id},
	}
	for _, k := range p.Rules {
		shown.Rules = append(shown.Rules, retentionRuleOf(k))
	}
	return shown, nil
}

// retentionCreate gives a project its policy. The path does not say of which project, so
// the service asks for the right, of the one that the scope names.
func (o operations) retentionCreate(asked *edge.Ask) (any, error) {
	var r shape.Retention
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	if r.Scope == nil || r.Scope.Level != "project" {
		return nil, edge.Invalid(`body: scope should be {"level":"project","ref":NUMBER}`)
	}
	project, err := o.Named(asked, r.Scope.Ref)
	if err != nil {
		return nil, err
	}
	if err := o.Judge.Permit(asked.Context(), o.DB, asked.Caller, retention.Change, project); err != nil {
		return nil, err
	}
	there, err := o.Policies.Retention.Of(asked.Context(), asked.Caller, project)
	if err != nil {
		return nil, err
	}
	if len(there.Rules) > 0 || there.Schedule.Cron != "" {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "project %q has a policy of retention: it is %s/retentions/%d",
			project, edge.Base, r.Scope.Ref)
	}
	all, cron, err := retentionOf(r)
	if err != nil {
		return nil, err
	}
	if err := o.Policies.Retention.Replace(asked.Context(), asked.Caller, project, all, cron); err != nil {
		return nil, err
	}
	asked.Created("/retentions/" + strconv.FormatInt(r.Scope.Ref, 10))
	return nil, nil
}

func (o operations) retentionChange(asked *edge.Ask) (any, error) {
	var r shape.Retention
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	id, err := o.ProjectID(asked)
	if err != nil {
		return nil, err
	}
	if r.Scope != nil && (r.Scope.Ref != id || r.Scope.Level != "project") {
		return nil, edge.Unsupported("the scope of a policy that is of another project")
	}
	all, cron, err := retentionOf(r)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Retention.Replace(asked.Context(), asked.Caller, asked.Project, all, cron)
}

func (o operations) retentionDelete(asked *edge.Ask) (any, error) {
	return nil, o.Policies.Retention.Replace(asked.Context(), asked.Caller, asked.Project, nil, "")
}

func (o operations) retentionStart(asked *edge.Ask) (any, error) {
	var r shape.RetentionStart
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	start := o.Policies.Retention.Run
	if r.DryRun {
		start = o.Policies.Retention.Rehearse
	}
	job, err := start(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return nil, err
	}
	asked.Created(asked.URL.EscapedPath()[len(edge.Base):] + "/" + strconv.FormatInt(job, 10))
	return nil, nil
}

// clock is a time as retention has it: a text, "" for none.
func clock(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// retentionRuns lists the runs, of which the newest are kept.
func (o operations) retentionRuns(asked *edge.Ask) (any, error) {
	id, err := o.ProjectID(asked)
	if err != nil {
		return nil, err
	}
	far := asked.Page.Skip + asked.Page.N
	if far > edge.Farthest {
		return nil, edge.TooFar()
	}
	page, more, err := o.Policies.Retention.Runs(asked.Context(), asked.Caller, asked.Project, 0, far)
	if err != nil {
		return nil, err
	}
	asked.More(len(page), more)
	items := []shape.RetentionRun{}
	for _, j := range page[min(asked.Page.Skip, len(page)):] {
		run := shape.RetentionRun{
			ID: j.ID, PolicyID: id, Start: clock(j.CreatedAt), End: clock(j.EndedAt), Status: edge.StatusOf(j.State),
			Trigger: byHand, DryRun: retention.DryRun(j),
		}
		if retention.Scheduled(j) {
			run.Trigger = scheduled
		}
		items = append(items, run)
	}
	return items, nil
}

// retentionJob is the run that the path names.
func (o operations) retentionJob(asked *edge.Ask) (jobs.Job, error) {
	id, err := edge.Number("execution", asked.PathValue("execution"))
	if err != nil {
		return jobs.Job{}, err
	}
	page, _, err := o.Policies.Retention.Runs(asked.Context(), asked.Caller, asked.Project, id+1, 1)
	if err == nil && (len(page) == 0 || page[0].ID != id) {
		err = errdefs.Errorf(errdefs.ErrNotFound, "there is no execution %d; old ones are forgotten", id)
	}
	if err != nil {
		return jobs.Job{}, err
	}
	return page[0], nil
}

func (o operations) retentionStop(asked *edge.Ask) (any, error) {
	var r shape.Action
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	if r.Action != "stop" {
		return nil, edge.Unsupported("the action %q of an execution", r.Action)
	}
	j, err := o.retentionJob(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Retention.Stop(asked.Context(), asked.Caller, asked.Project, j.ID)
}

func (o operations) retentionTasks(asked *edge.Ask) (any, error) {
	j, err := o.retentionJob(asked)
	if err != nil {
		return nil, err
	}
	done, _ := retention.OutcomeOf(j.Note) // until it says something it has done nothing
	task := shape.RetentionTask{
		ID: j.ID, ExecutionID: j.ID, Repository: "**", JobID: strconv.FormatInt(j.ID, 10),
		Status: edge.StatusOf(j.State),
		Start:  clock(j.StartedAt), End: clock(j.EndedAt), Retained: int64(done.Kept + done.Stay),
		Total: int64(done.Artifacts + done.Kept + done.Stay),
	}
	return edge.Part(asked, []shape.RetentionTask{task}), nil
}

func (o operations) retentionLog(asked *edge.Ask) (any, error) {
	j, err := o.retentionJob(asked)
	if err != nil {
		return nil, err
	}
	if id, err := edge.Number("task", asked.PathValue("task")); err != nil || id != j.ID {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "execution %d has no task %s", j.ID, asked.PathValue("task"))
	}
	return edge.LogOf(j), nil
}

func retentionTemplate(t retention.Template) shape.RetentionTemplate {
	text := map[retention.Template]string{
		retention.Always: "always", retention.Nothing: "nothing",
		retention.DaysPushed:   "pushed within the last # days",
		retention.DaysPulled:   "pulled within the last # days",
		retention.LatestPushed: "the most recently pushed # artifacts",
		retention.LatestPulled: "the most recently pulled # artifacts",
		retention.LatestActive: "the most recently active # artifacts",
	}[t]
	shown := shape.RetentionTemplate{
		Template: string(t), Action: retain, Params: []shape.RetentionParam{}, Text: text,
	}
	if t.Counts() {
		unit := "COUNT"
		if t.Days() {
			unit = "DAYS"
		}
		shown.Params = append(shown.Params, shape.RetentionParam{Type: "int", Unit: unit, Required: true})
	}
	return shown
}

func (o operations) retentionTerms(*edge.Ask) (any, error) {
	terms := shape.RetentionTerms{
		Scopes: []shape.SelectorTerms{{
			Text: "Repositories", Kind: edge.Doublestar, Decorations: []string{edge.RepoMatches, edge.RepoExcludes},
		}},
		Tags: []shape.SelectorTerms{{
			Text: "Tags", Kind: edge.Doublestar, Decorations: []string{edge.Matches, edge.Excludes},
		}, {
			Text: "Labels", Kind: edge.ByLabel, Decorations: []string{edge.WithLabels, edge.WithoutLabels},
		}},
	}
	for _, t := range retention.Templates() {
		terms.Templates = append(terms.Templates, retentionTemplate(t))
	}
	return terms, nil
}
