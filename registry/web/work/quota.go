package work

import (
	"strings"

	"cove/registry/metadata"
	"cove/registry/metadata/usage"
	"cove/registry/quota"
	"cove/registry/web/page"
	"cove/registry/web/treemap"
	"cove/registry/web/view"
)

// largest is how many projects the page of what all use lists.
const largest = 100

// largestRepositories is how many repositories the page of one project lists.
const largestRepositories = 50

type usageData struct {
	Default string // the limit of projects without one of their own, as it is typed
	Version string // of that
	Largest []quota.Usage
	Most    int64 // of what one of them uses
	Total   int64
	Maps    []treemap.Map // of what they use, for a wide screen and for a phone
}

// maps lays out what uses how much, for a wide screen and for a phone.
func maps(items []treemap.Item) []treemap.Map {
	if len(items) < 2 {
		return nil // it would show nothing
	}
	return []treemap.Map{treemap.Of(items, 1200, 420), treemap.Of(items, 340, 420)}
}

// usage is the page of what all projects use.
func (p *Pages) usage(a *page.Ask) error {
	var d usageData
	standard, err := p.policies.Quotas.Default(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	d.Default = quota.Text(standard)
	if d.Version, err = page.Version(d.Default); err != nil {
		return err
	}
	if d.Largest, err = p.policies.Quotas.Largest(a.Context(), a.Caller, largest); err != nil {
		return err
	}
	var items []treemap.Item
	for _, u := range d.Largest {
		d.Most, d.Total = max(d.Most, u.Used), d.Total+u.Used
		items = append(items, treemap.Item{
			Name: u.Project, URL: "/projects/" + u.Project + "/usage", Size: u.Used, Note: view.Bytes(u.Used),
			Hot: u.Limit > 0 && u.Percent() >= usage.NearPercent,
		})
	}
	d.Maps = maps(items)
	return p.Page(a, "usage", "usage", a.Language.Text("usage.title"), d)
}

type projectUsageData struct {
	*page.Place
	Quota   quota.Usage
	Limited bool
	Own     string // its own limit, as it is typed
	Version string // of that
	MaySet  bool
	Largest []usage.Largest // repositories
	Most    int64
	Maps    []treemap.Map
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
	if d.Version, err = page.Version(d.Own); err != nil {
		return err
	}
	d.Largest, err = p.policies.Quotas.Repositories(a.Context(), a.Caller, shared.Project.Name, largestRepositories)
	if err != nil {
		return err
	}
	var items []treemap.Item
	for _, r := range d.Largest {
		_, short, _ := strings.Cut(r.Repository, "/")
		items = append(items, treemap.Item{
			Name: short, URL: "/usage/" + r.Repository, Size: r.Held, Note: view.Bytes(r.Held),
		})
		d.Most = max(d.Most, r.Held)
	}
	d.Maps = maps(items)
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

// limitText is a limit as its form has it; nil is that of a project without its own.
func limitText(bytes *int64) string {
	if bytes == nil {
		return "default"
	}
	return quota.Text(*bytes)
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
		err = p.policies.Quotas.Limit(a.Context(), a.Caller, project, bytes, func(now *int64) error {
			return a.Unchanged(limitText(now))
		})
	}
	return p.done(a, err, back, a.Language.Text("quota.set"))
}
