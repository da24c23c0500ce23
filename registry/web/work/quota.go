package work

import (
	"strings"

	"cove/registry/metadata"
	"cove/registry/metadata/usage"
	"cove/registry/quota"
	"cove/registry/web/page"
)

// largest is how many projects the page of what all use lists.
const largest = 100

// largestRepositories is how many repositories the page of one project lists.
const largestRepositories = 50

type usageData struct {
	Default string // the limit of projects without one of their own, as it is typed
	Largest []quota.Usage
	Most    int64 // of what one of them uses
	Total   int64
}

// usage is the page of what all projects use.
func (p *Pages) usage(a *page.Ask) error {
	var d usageData
	standard, err := p.policies.Quotas.Default(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	d.Default = quota.Text(standard)
	if d.Largest, err = p.policies.Quotas.Largest(a.Context(), a.Caller, largest); err != nil {
		return err
	}
	for _, u := range d.Largest {
		d.Most, d.Total = max(d.Most, u.Used), d.Total+u.Used
	}
	return p.Page(a, "usage", "usage", a.Language.Text("usage.title"), d)
}

type projectUsageData struct {
	*page.Place
	Quota   quota.Usage
	Limited bool
	Own     string // its own limit, as it is typed
	MaySet  bool
	Largest []usage.Largest // repositories
	Most    int64
}

// projectUsage is the page of what one project uses.
func (p *Pages) projectUsage(a *page.Ask) error {
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	d := projectUsageData{Place: shared, Own: "default", MaySet: p.may(a, quota.Set, "")}
	if d.Quota, err = p.policies.Quotas.Of(a.Context(), a.Caller, shared.Project.Name); err != nil {
		return err
	}
	d.Limited = d.Quota.Limit != quota.Unlimited
	if d.Quota.Own {
		d.Own = quota.Text(d.Quota.Limit)
	}
	d.Largest, err = p.policies.Quotas.Repositories(a.Context(), a.Caller, shared.Project.Name, largestRepositories)
	if err != nil {
		return err
	}
	if len(d.Largest) > 0 {
		d.Most = d.Largest[0].Held
	}
	return p.Page(a, "project-usage", "projects", a.Language.Text("usage.title")+" · "+shared.Project.Name, d)
}

type repositoryUsageData struct {
	Repository, Project, Short string
	Of                         string // what is explained: the repository, or an artifact of it
	Artifact                   bool
	quota.Share
}

// repositoryUsage explains what a repository, or an artifact of it, holds.
func (p *Pages) repositoryUsage(a *page.Ask) error {
	repo := repository(a)
	d := repositoryUsageData{Repository: repo, Project: metadata.ProjectOf(repo), Of: repo}
	_, d.Short, _ = strings.Cut(repo, "/")
	if dgst := page.Bounded(a.FormValue("digest")); dgst != "" {
		d.Of, d.Artifact = repo+"@"+dgst, true
	} else if tag := page.Bounded(a.FormValue("tag")); tag != "" {
		d.Of, d.Artifact = repo+":"+tag, true
	}
	var err error
	if d.Share, err = p.policies.Quotas.Explain(a.Context(), a.Caller, d.Of); err != nil {
		return err
	}
	return p.Page(a, "repository-usage", "projects", a.Language.Text("usage.title")+" · "+d.Of, d)
}

// quotaSet limits a project, or, without one in the path, all that have no limit of
// their own.
func (p *Pages) quotaSet(a *page.Ask) error {
	project, back := a.PathValue("project"), "/usage"
	if project != "" {
		back = "/projects/" + project + "/usage"
	}
	bytes, err := quota.Parse(a.PostForm.Get("limit"))
	if err == nil {
		err = p.policies.Quotas.Limit(a.Context(), a.Caller, project, bytes)
	}
	return p.done(a, err, back, a.Language.Text("quota.set"))
}
