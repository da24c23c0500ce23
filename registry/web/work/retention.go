package work

import (
	"strconv"
	"strings"

	"cove/registry/retention"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// mostGone is how many artifacts the page of a plan lists.
const mostGone = 200

type retentionData struct {
	*page.Place
	Plan retention.Plan
	Gone []retention.Gone // the first of the plan's
	// More are those that are not listed.
	Going, With, Kept, More int64
	MayRun                  bool
}

// retentionPlan is the page of what a run would delete.
func (p *Pages) retentionPlan(a *page.Ask) error {
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	name := shared.Project.Name
	d := retentionData{Place: shared, MayRun: p.may(a, retention.Start, name)}
	if d.Plan, err = p.policies.Retention.Preview(a.Context(), a.Caller, name); err != nil {
		return err
	}
	d.Gone = d.Plan.Gone[:min(len(d.Plan.Gone), mostGone)]
	d.Going, d.With, d.Kept = int64(len(d.Plan.Gone)), int64(len(d.Plan.With)), int64(d.Plan.Kept)
	d.More = d.Going - int64(len(d.Gone))
	return p.Page(a, "retention", "projects", a.Language.Text("retention.preview")+" · "+name, d)
}

func (p *Pages) retentionAdd(a *page.Ask) error {
	rule := retention.Rule{
		Selector: selected(a), Labelled: labelled(a), Untagged: a.PostForm.Get("untagged") == "1",
		Template: retention.Template(a.PostForm.Get("template")),
	}
	if n := a.PostForm.Get("n"); n != "" && rule.Template.Counts() {
		var err error
		if rule.N, err = strconv.Atoi(n); err != nil {
			return page.Invalid("number %q is none", n)
		}
	}
	_, err := p.policies.Retention.Add(a.Context(), a.Caller, a.PathValue("project"), rule)
	return p.done(a, err, policiesOf(a), a.Language.Text("retention.added"))
}

// labelled are the labels of a rule, one on each line: a name may have spaces and commas.
func labelled(a *page.Ask) (l retention.Labelled) {
	for line := range strings.Lines(a.PostForm.Get("labels")) {
		if line = strings.TrimSpace(line); line != "" {
			l.Labels = append(l.Labels, line)
		}
	}
	l.ExceptLabels = a.PostForm.Get("except_labels") == "1"
	return l
}

func (p *Pages) retentionRemove(a *page.Ask) error {
	id, err := strconv.ParseInt(a.PathValue("rule"), 10, 64)
	if err != nil {
		return page.Invalid("rule %q is none", a.PathValue("rule"))
	}
	project := a.PathValue("project")
	n := view.Notice{Text: a.Language.Text("retention.removed")}
	policy, err := p.policies.Retention.Of(a.Context(), a.Caller, project)
	if err != nil {
		return err
	}
	for _, rule := range policy.Rules {
		if rule.ID == id {
			fields := fieldsOf(rule.Selector)
			fields["template"], fields["n"] = string(rule.Template), strconv.Itoa(rule.N)
			if len(rule.Labels) > 0 {
				fields["labels"] = strings.Join(rule.Labels, "\n")
			}
			if rule.ExceptLabels {
				fields["except_labels"] = "1"
			}
			if rule.Untagged {
				fields["untagged"] = "1"
			}
			n.Undo = &view.Undo{Action: "/projects/" + project + "/retention", Fields: fields}
		}
	}
	err = p.policies.Retention.Remove(a.Context(), a.Caller, project, id)
	return p.ended(a, err, policiesOf(a), n)
}

// scheduled is what the form of a policy's schedule is filled with.
func scheduled(p retention.Policy) any { return []string{p.Schedule.Cron, p.Schedule.Zone} }

func (p *Pages) retentionSchedule(a *page.Ask) error {
	policy, err := p.policies.Retention.Of(a.Context(), a.Caller, a.PathValue("project"))
	if err == nil {
		err = a.Unchanged(scheduled(policy))
	}
	if err != nil {
		return p.done(a, err, policiesOf(a), "")
	}
	err = p.policies.Retention.Schedule(a.Context(), a.Caller, a.PathValue("project"), a.PostForm.Get("cron"),
		a.PostForm.Get("zone"))
	return p.done(a, err, policiesOf(a), a.Language.Text("retention.scheduled"))
}

func (p *Pages) retentionRun(a *page.Ask) error {
	_, err := p.policies.Retention.Run(a.Context(), a.Caller, a.PathValue("project"))
	return p.done(a, err, policiesOf(a), a.Language.Text("retention.started"))
}
