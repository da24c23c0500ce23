package web

import (
	"net/url"

	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/web/clients"
	"cove/registry/web/view"
)

type projectsData struct {
	Projects  []browse.Project
	Match     string
	More      string // URL of the next page; "" after the last
	MayCreate bool
	Name      string // that was asked for and could not be made
}

func (p *Pages) projects(a *ask) error {
	pg, err := p.projectsPage(a)
	if err != nil {
		return err
	}
	return p.show(a, 200, pg)
}

func (p *Pages) projectsPage(a *ask) (*view.Page, error) {
	q := query(a)
	list, more, err := p.browse.Projects(a.Context(), a.caller, q)
	if err != nil {
		return nil, err
	}
	data := projectsData{
		Projects: list, Match: q.Match,
		// towards one that does not exist yet
		MayCreate: a.caller.Name != "" && p.browse.May(a.Context(), a.caller, auth.CreateProject, ""),
	}
	if more {
		data.More = nextPage("/projects", q.Match, list[len(list)-1].Name)
	}
	return &view.Page{
		Name: "projects", Section: "projects", Title: a.language.Text("projects.title"), Data: data,
	}, nil
}

// query is the page of a list that the request asks for.
func query(a *ask) browse.Query {
	return browse.Query{Match: bounded(a.FormValue("match")), Last: bounded(a.FormValue("after")), N: perPage}
}

// bounded is as much of what a stranger wrote as a list looks for.
func bounded(text string) string {
	const longest = 256
	return text[:min(len(text), longest)]
}

func nextPage(path, match, last string) string {
	v := url.Values{"after": {last}}
	if match != "" {
		v.Set("match", match)
	}
	return path + "?" + v.Encode()
}

func (p *Pages) projectCreate(a *ask) error {
	name := a.PostForm.Get("name")
	err := p.cfg.Projects.Create(a.Context(), a.caller, name, a.PostForm.Get("public") == "1")
	if text, ok := refused(err); ok {
		pg, err := p.projectsPage(a)
		if err != nil {
			return err
		}
		return p.again(a, pg, text)
	}
	if err != nil {
		return err
	}
	return p.done(a, "/projects/"+name, view.Notice{Text: a.language.Text("projects.created", name)})
}

// projectData is what the pages of one project share.
type projectData struct {
	Project            browse.Project
	MayManage, MayPush bool
	Default            bool // the project that cannot go

	Repositories []browse.Repository
	Match, More  string
	Push         string // commands

	Members []browse.Member
	Roles   []string
	User    string
}

func (p *Pages) projectData(a *ask) (*projectData, error) {
	project, err := p.browse.Project(a.Context(), a.caller, a.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return &projectData{
		Project: project, Default: project.Name == metadata.DefaultProject,
		MayManage: p.browse.May(a.Context(), a.caller, auth.SetMembers, project.Name),
		MayPush:   p.browse.May(a.Context(), a.caller, auth.Push, project.Name),
	}, nil
}

func (p *Pages) project(a *ask) error {
	data, err := p.projectData(a)
	if err != nil {
		return err
	}
	q, name := query(a), data.Project.Name
	var more bool
	if data.Repositories, more, err = p.browse.Repositories(a.Context(), a.caller, name, q); err != nil {
		return err
	}
	data.Match, data.Push = q.Match, clients.Push(p.host(a), name)
	if more {
		data.More = nextPage("/projects/"+name, q.Match, data.Repositories[len(data.Repositories)-1].Name)
	}
	return p.page(a, "project", "projects", name, data)
}

func (p *Pages) members(a *ask) error {
	pg, err := p.membersPage(a)
	if err != nil {
		return err
	}
	return p.show(a, 200, pg)
}

func (p *Pages) membersPage(a *ask) (*view.Page, error) {
	data, err := p.projectData(a)
	if err != nil {
		return nil, err
	}
	if data.Members, err = p.browse.Members(a.Context(), a.caller, data.Project.Name); err != nil {
		return nil, err
	}
	for _, role := range auth.Roles() {
		data.Roles = append(data.Roles, role.String())
	}
	return &view.Page{
		Name: "members", Section: "projects", Title: a.language.Text("members.title") + " · " + data.Project.Name,
		Data: data,
	}, nil
}

func (p *Pages) memberSet(a *ask) error {
	project, user, role := a.PathValue("project"), a.PostForm.Get("user"), a.PostForm.Get("role")
	err := p.cfg.Projects.SetRole(a.Context(), a.caller, project, user, role)
	if text, ok := refused(err); ok {
		pg, err := p.membersPage(a)
		if err != nil {
			return err
		}
		return p.again(a, pg, text)
	}
	if err != nil {
		return err
	}
	text := a.language.Text("members.set", user, a.language.Text("role."+role))
	if role == auth.NoRole.String() {
		text = a.language.Text("members.removed", user)
	}
	return p.done(a, "/projects/"+project+"/members", view.Notice{Text: text})
}

func (p *Pages) settings(a *ask) error {
	pg, err := p.settingsPage(a)
	if err != nil {
		return err
	}
	return p.show(a, 200, pg)
}

func (p *Pages) settingsPage(a *ask) (*view.Page, error) {
	data, err := p.projectData(a)
	if err != nil {
		return nil, err
	}
	return &view.Page{
		Name: "settings", Section: "projects", Title: a.language.Text("settings.title") + " · " + data.Project.Name,
		Data: data,
	}, nil
}

func (p *Pages) visibilitySet(a *ask) error {
	project, text := a.PathValue("project"), a.PostForm.Get("public")
	if text != "0" && text != "1" {
		return invalid("public is %q, and must be 0 or 1", text)
	}
	if err := p.cfg.Projects.SetPublic(a.Context(), a.caller, project, text == "1"); err != nil {
		return err
	}
	key := "settings.now.private"
	if text == "1" {
		key = "settings.now.public"
	}
	return p.done(a, "/projects/"+project+"/settings", view.Notice{Text: a.language.Text(key)})
}

func (p *Pages) projectRemove(a *ask) error {
	project := a.PathValue("project")
	text, ok := a.language.Text("settings.delete.differs"), true
	if a.PostForm.Get("name") == project {
		err := p.cfg.Projects.Remove(a.Context(), a.caller, project)
		if text, ok = refused(err); !ok && err != nil {
			return err
		}
	}
	if ok {
		pg, err := p.settingsPage(a)
		if err != nil {
			return err
		}
		return p.again(a, pg, text)
	}
	return p.done(a, "/projects", view.Notice{Text: a.language.Text("projects.removed", project)})
}
