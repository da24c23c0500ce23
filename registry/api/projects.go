package api

import (
	"cove/registry/api/rest"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/projects"
	"cove/registry/signing"
)

func (a *API) projects(asked *rest.Ask) (any, error) {
	found, more, err := a.browse.Projects(asked.Context(), asked.Caller, asked.List())
	if err != nil {
		return nil, err
	}
	var items []Project
	for _, p := range found {
		signed, err := signing.Required(asked.Context(), a.cfg.DB.Querier(), p.Name)
		if err != nil {
			return nil, err
		}
		items = append(items, projectFrom(p, signed))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(p Project) string { return p.Name })), nil
}

func (a *API) projectCreate(asked *rest.Ask) (any, error) {
	var p NewProject
	if err := asked.Read(&p); err != nil {
		return nil, err
	}
	if err := a.cfg.Projects.Create(asked.Context(), asked.Caller, p.Name, p.Public); err != nil {
		return nil, err
	}
	asked.W.Header().Set("Location", rest.Base+"/projects/"+p.Name)
	return a.projectNamed(asked, p.Name)
}

func (a *API) projectNamed(asked *rest.Ask, name string) (any, error) {
	p, err := a.browse.Project(asked.Context(), asked.Caller, name)
	if err != nil {
		return nil, err
	}
	signed, err := signing.Required(asked.Context(), a.cfg.DB.Querier(), name)
	return projectFrom(p, signed), err
}

func (a *API) project(asked *rest.Ask) (any, error) {
	return a.projectNamed(asked, asked.PathValue("project"))
}

func (a *API) projectChange(asked *rest.Ask) (any, error) {
	var c ProjectChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	name := asked.PathValue("project")
	seen, err := a.browse.Project(asked.Context(), asked.Caller, name)
	if err != nil {
		return nil, err
	}
	signed, err := signing.Required(asked.Context(), a.cfg.DB.Querier(), name)
	if err != nil {
		return nil, err
	}
	err = a.cfg.Projects.Change(asked.Context(), asked.Caller, name, projects.Change{
		Public: c.Public, Sparse: c.Sparse,
		If: func(now metadata.Project) error {
			return asked.Unchanged(projectFrom(browse.Project{
				Name: now.Name, Public: now.Public, CreatedAt: now.CreatedAt, Role: seen.Role,
			}, signed))
		},
	})
	if err != nil {
		return nil, err
	}
	return a.projectNamed(asked, name)
}

func (a *API) projectDelete(asked *rest.Ask) (any, error) {
	return nil, a.cfg.Projects.Remove(asked.Context(), asked.Caller, asked.PathValue("project"))
}

func (a *API) projectRestore(asked *rest.Ask) (any, error) {
	name := asked.PathValue("project")
	n, err := a.cfg.Projects.Restore(asked.Context(), asked.Caller, name)
	return RestoredProject{name, int64(n)}, err
}

func (a *API) repositories(asked *rest.Ask) (any, error) {
	found, more, err := a.browse.Repositories(asked.Context(), asked.Caller, asked.PathValue("project"), asked.List())
	if err != nil {
		return nil, err
	}
	var items []Repository
	for _, r := range found {
		items = append(items, repositoryOf(r))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(r Repository) string { return r.Name })), nil
}
