package api

import (
	"time"

	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/projects"
)

// list is what of a list was asked for.
func (asked *ask) list() browse.Query {
	return browse.Query{Match: asked.query.Get("match"), Last: asked.query.Get("after"), N: asked.limit}
}

func (a *API) projects(asked *ask) (any, error) {
	found, more, err := a.browse.Projects(asked.Context(), asked.caller, asked.list())
	if err != nil {
		return nil, err
	}
	var items []Project
	for _, p := range found {
		items = append(items, projectFrom(p))
	}
	return page(asked, items, next(more, items, func(p Project) string { return p.Name })), nil
}

func (a *API) projectCreate(asked *ask) (any, error) {
	var p NewProject
	if err := asked.read(&p); err != nil {
		return nil, err
	}
	if err := a.cfg.Projects.Create(asked.Context(), asked.caller, p.Name, p.Public); err != nil {
		return nil, err
	}
	asked.w.Header().Set("Location", Base+"/projects/"+p.Name)
	return a.projectNamed(asked, p.Name)
}

func (a *API) projectNamed(asked *ask, name string) (any, error) {
	p, err := a.browse.Project(asked.Context(), asked.caller, name)
	return projectFrom(p), err
}

func (a *API) project(asked *ask) (any, error) {
	return a.projectNamed(asked, asked.PathValue("project"))
}

func (a *API) projectChange(asked *ask) (any, error) {
	var c ProjectChange
	if err := asked.read(&c); err != nil {
		return nil, err
	}
	name := asked.PathValue("project")
	seen, err := a.browse.Project(asked.Context(), asked.caller, name)
	if err != nil {
		return nil, err
	}
	err = a.cfg.Projects.Change(asked.Context(), asked.caller, name, projects.Change{
		Public: c.Public,
		If: func(now metadata.Project) error {
			return asked.unchanged(projectFrom(browse.Project{
				Name: now.Name, Public: now.Public, CreatedAt: now.CreatedAt, Role: seen.Role,
			}))
		},
	})
	if err != nil {
		return nil, err
	}
	return a.projectNamed(asked, name)
}

func (a *API) projectDelete(asked *ask) (any, error) {
	return nil, a.cfg.Projects.Remove(asked.Context(), asked.caller, asked.PathValue("project"))
}

func (a *API) members(asked *ask) (any, error) {
	found, more, err := a.browse.MembersPage(asked.Context(), asked.caller, asked.PathValue("project"), asked.list())
	if err != nil {
		return nil, err
	}
	var items []Member
	for _, m := range found {
		items = append(items, Member{m.Name, m.Role.String(), m.Admin})
	}
	return page(asked, items, next(more, items, func(m Member) string { return m.Name })), nil
}

func (a *API) memberSet(asked *ask) (any, error) {
	var m MemberRole
	if err := asked.read(&m); err != nil {
		return nil, err
	}
	return nil, a.setRole(asked, m.Role)
}

func (a *API) memberDelete(asked *ask) (any, error) {
	return nil, a.setRole(asked, auth.NoRole.String())
}

func (a *API) setRole(asked *ask, role string) error {
	project, user := asked.PathValue("project"), asked.PathValue("user")
	return a.cfg.Projects.SetRole(asked.Context(), asked.caller, project, user, role)
}

func (a *API) repositories(asked *ask) (any, error) {
	found, more, err := a.browse.Repositories(asked.Context(), asked.caller, asked.PathValue("project"), asked.list())
	if err != nil {
		return nil, err
	}
	var items []Repository
	for _, r := range found {
		items = append(items, Repository{r.Name, countOf(r.Tags), countOf(r.Artifacts), moment(r.PushedAt)})
	}
	return page(asked, items, next(more, items, func(r Repository) string { return r.Name })), nil
}

// moment is a time, nil if there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
