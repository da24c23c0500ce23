package work

import (
	"strconv"

	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/immutable"
	"cove/registry/retention"
	"cove/registry/selector"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// readPolicies is the right to look at a project's policies.
const readPolicies = rights.Right("configuration:read")

type policiesData struct {
	*page.Place
	Immutable                           []immutable.Rule
	SeeImmutable, MayFix, MayRemoveRule bool
	Retention                           retention.Policy
	Templates                           []retention.Template
	SeeRetention, MayRetain, MayRun     bool
	Version                             string // of the schedule
}

func (p *Pages) may(a *page.Ask, right auth.Right, project string) bool {
	return p.Browse.May(a.Context(), a.Caller, right, project)
}

func (p *Pages) projectPolicies(a *page.Ask) error {
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	name := shared.Project.Name
	d := policiesData{
		Place: shared, SeeImmutable: p.may(a, immutable.List, name), MayFix: p.may(a, immutable.Create, name),
		MayRemoveRule: p.may(a, immutable.Remove, name), SeeRetention: p.may(a, retention.Look, name),
		MayRetain: p.may(a, retention.Change, name), MayRun: p.may(a, retention.Start, name),
		Templates: retention.Templates(),
	}
	if d.SeeImmutable {
		if d.Immutable, err = p.policies.Immutable.List(a.Context(), a.Caller, name); err != nil {
			return err
		}
	}
	if d.SeeRetention {
		if d.Retention, err = p.policies.Retention.Of(a.Context(), a.Caller, name); err != nil {
			return err
		}
		if d.Version, err = page.Version(scheduled(d.Retention)); err != nil {
			return err
		}
	}
	return p.Page(a, "policies", "projects", a.Language.Text("policies.title")+" · "+name, d)
}

// selected reads a selector of a form.
func selected(a *page.Ask) selector.Selector {
	return selector.Selector{
		Repositories: a.PostForm.Get("repositories"), ExceptRepositories: a.PostForm.Get("except_repositories") == "1",
		Tags: a.PostForm.Get("tags"), ExceptTags: a.PostForm.Get("except_tags") == "1",
	}
}

// fieldsOf are the fields of a form that selected reads as the selector.
func fieldsOf(s selector.Selector) map[string]string {
	fields := map[string]string{"repositories": s.Repositories, "tags": s.Tags}
	for name, on := range map[string]bool{
		"except_repositories": s.ExceptRepositories, "except_tags": s.ExceptTags,
	} {
		if on {
			fields[name] = "1"
		}
	}
	return fields
}

func policiesOf(a *page.Ask) string { return "/projects/" + a.PathValue("project") + "/policies" }

func (p *Pages) immutableAdd(a *page.Ask) error {
	_, err := p.policies.Immutable.Add(a.Context(), a.Caller, a.PathValue("project"), selected(a))
	return p.done(a, err, policiesOf(a), a.Language.Text("immutable.added"))
}

func (p *Pages) immutableRemove(a *page.Ask) error {
	id, err := strconv.ParseInt(a.PathValue("rule"), 10, 64)
	if err != nil {
		return page.Invalid("rule %q is none", a.PathValue("rule"))
	}
	project := a.PathValue("project")
	n := view.Notice{Text: a.Language.Text("immutable.removed")}
	if p.may(a, immutable.List, project) {
		all, err := p.policies.Immutable.List(a.Context(), a.Caller, project)
		if err != nil {
			return err
		}
		for _, rule := range all {
			if rule.ID == id {
				n.Undo = &view.Undo{Action: "/projects/" + project + "/immutable", Fields: fieldsOf(rule.Selector)}
			}
		}
	}
	err = p.policies.Immutable.Remove(a.Context(), a.Caller, project, id)
	return p.ended(a, err, policiesOf(a), n)
}
