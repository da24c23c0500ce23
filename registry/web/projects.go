package web

import (
	"errors"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/clients"
	"cove/registry/metadata/names"
	"cove/registry/metadata/removed"
	"cove/registry/rename"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type projectsData struct {
	Projects  []browse.Project
	Match     string
	More      string // URL of the next page; "" after the last
	MayCreate bool
	Name      string // that was asked for and could not be made
}

func (p *Pages) projects(a *page.Ask) error {
	pg, err := p.projectsPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) projectsPage(a *page.Ask) (*view.Page, error) {
	q := page.Query(a)
	list, more, err := p.Browse.Projects(a.Context(), a.Caller, q)
	if err != nil {
		return nil, err
	}
	data := projectsData{
		Projects: list, Match: q.Match,
		// towards one that does not exist yet
		MayCreate: a.Caller.Name != "" && p.Browse.May(a.Context(), a.Caller, auth.CreateProject, ""),
	}
	if more {
		data.More = page.NextPage("/projects", q.Match, list[len(list)-1].Name)
	}
	return &view.Page{
		Name: "projects", Section: "projects", Title: a.Language.Text("projects.title"), Data: data,
	}, nil
}

func (p *Pages) projectCreate(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.cfg.Projects.Create(a.Context(), a.Caller, name, a.PostForm.Get("public") == "1")
	if text, ok := page.Refused(err); ok {
		pg, err := p.projectsPage(a)
		if err != nil {
			return err
		}
		return p.Again(a, pg, text)
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/projects/"+name, view.Notice{Text: a.Language.Text("projects.created", name)})
}

type projectData struct {
	*page.Place
	Repositories []browse.Repository
	Match, More  string
	Push         string // commands
	// of the settings
	Former    []names.Former
	MayRename bool
	Keep      int // for how many days an old name stays, unless somebody says otherwise
}

func (p *Pages) projectData(a *page.Ask) (*projectData, error) {
	shared, err := p.Place(a)
	return &projectData{Place: shared}, err
}

func (p *Pages) project(a *page.Ask) error {
	data, err := p.projectData(a)
	if err != nil {
		return err
	}
	q, name := page.Query(a), data.Project.Name
	var more bool
	if data.Repositories, more, err = p.Browse.Repositories(a.Context(), a.Caller, name, q); err != nil {
		return err
	}
	data.Match, data.Push = q.Match, clients.Push(p.Host(a), name)
	if more {
		data.More = page.NextPage("/projects/"+name, q.Match, data.Repositories[len(data.Repositories)-1].Name)
	}
	return p.Page(a, "project", "projects", name, data)
}

func (p *Pages) settings(a *page.Ask) error {
	pg, err := p.settingsPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) settingsPage(a *page.Ask) (*view.Page, error) {
	data, err := p.projectData(a)
	if err != nil {
		return nil, err
	}
	name := data.Project.Name
	if data.Former, err = p.cfg.Policies.Names.Former(a.Context(), a.Caller, name); err != nil {
		return nil, err
	}
	data.MayRename = !data.Default && p.Browse.May(a.Context(), a.Caller, rename.OfProject, name) &&
		p.Browse.May(a.Context(), a.Caller, auth.CreateProject, "")
	data.Keep = int(rename.DefaultKeep / (24 * time.Hour))
	return &view.Page{
		Name: "settings", Section: "projects", Title: a.Language.Text("settings.title") + " · " + data.Project.Name,
		Data: data,
	}, nil
}

func (p *Pages) visibilitySet(a *page.Ask) error {
	project, text := a.PathValue("project"), a.PostForm.Get("public")
	if text != "0" && text != "1" {
		return page.Invalid("public is %q, and must be 0 or 1", text)
	}
	if err := p.cfg.Projects.SetPublic(a.Context(), a.Caller, project, text == "1"); err != nil {
		return err
	}
	key := "settings.now.private"
	if text == "1" {
		key = "settings.now.public"
	}
	return p.Done(a, "/projects/"+project+"/settings", view.Notice{Text: a.Language.Text(key)})
}

func (p *Pages) projectRemove(a *page.Ask) error {
	project := a.PathValue("project")
	text, ok := a.Language.Text("settings.delete.differs"), true
	if a.PostForm.Get("name") == project {
		err := p.cfg.Projects.Remove(a.Context(), a.Caller, project)
		if text, ok = page.Refused(err); !ok && err != nil {
			return err
		}
	}
	if ok {
		pg, err := p.settingsPage(a)
		if err != nil {
			return err
		}
		return p.Again(a, pg, text)
	}
	n := view.Notice{Text: a.Language.Text("projects.removed", project)}
	switch _, err := removed.Find(a.Context(), p.DB.Querier(), project); {
	case err == nil:
		n.Undo = &view.Undo{Action: "/restore-project", Fields: map[string]string{"name": project}}
	case !errors.Is(err, errdefs.ErrNotFound):
		return err
	}
	return p.Done(a, "/projects", n)
}

func (p *Pages) projectRestore(a *page.Ask) error {
	name := a.PostForm.Get("name")
	n, err := p.cfg.Projects.Restore(a.Context(), a.Caller, name)
	if why, ok := page.Refused(err); ok {
		return p.Done(a, "/projects", view.Notice{Bad: true, Text: why})
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/projects/"+name, view.Notice{Text: a.Language.Count("projects.restored", int64(n), name)})
}
