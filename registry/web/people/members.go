package people

import (
	"cmp"

	"cove/registry/auth/rights"
	"cove/registry/browse"
	"cove/registry/projects"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type membersData struct {
	*page.Place
	Members []browse.Member
	Roles   []string
	User    string
	Match   string // the name from which on members are shown
	More    string
}

func (p *Pages) members(a *page.Ask) error {
	pg, err := p.membersPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) membersPage(a *page.Ask) (*view.Page, error) {
	shared, err := p.Place(a)
	if err != nil {
		return nil, err
	}
	data, name := &membersData{Place: shared}, shared.Project.Name
	data.Match = page.Bounded(a.FormValue("match"))
	q := browse.Query{Last: cmp.Or(page.Bounded(a.FormValue("after")), data.Match), N: page.PerPage}
	found, more, err := p.Browse.MembersPage(a.Context(), a.Caller, name, q)
	if err != nil {
		return nil, err
	}
	if data.Members = found; more {
		data.More = page.NextPage("/projects/"+name+"/members", data.Match, found[len(found)-1].Cursor())
	}
	if data.Roles, err = p.cfg.Projects.Roles(a.Context()); err != nil {
		return nil, err
	}
	return &view.Page{
		Name: "members", Section: "projects", Title: a.Language.Text("members.title") + " · " + name,
		Data: data,
	}, nil
}

func (p *Pages) memberSet(a *page.Ask) error {
	form, project := a.PostForm, a.PathValue("project")
	name, role := form.Get("user"), form.Get("role")
	m := projects.Member{User: name, Role: role, Repositories: form.Get("repositories")}
	if form.Get("kind") == "group" {
		m.User, m.Group = "", name
	}
	undo, err := p.memberUndo(a, name)
	if err != nil {
		return err
	}
	err = p.cfg.Projects.SetMember(a.Context(), a.Caller, project, m)
	if text, ok := page.Refused(err); ok {
		pg, err := p.membersPage(a)
		if err != nil {
			return err
		}
		return p.Again(a, pg, text)
	}
	if err != nil {
		return err
	}
	pg := view.Page{Language: a.Language}
	text := a.Language.Text("members.set", name, pg.Role(role))
	if role == projects.NoRole {
		text = a.Language.Text("members.removed", name)
	}
	return p.Done(a, "/projects/"+project+"/members", view.Notice{Text: text, Undo: undo})
}

// memberUndo is the form that gives a member back what he is before the request changes
// it; nil of one who is none.
func (p *Pages) memberUndo(a *page.Ask, name string) (*view.Undo, error) {
	form, project := a.PostForm, a.PathValue("project")
	const most = 200 // globs of one name
	found, _, err := p.Browse.MembersPage(a.Context(), a.Caller, project, browse.Query{Last: name, N: most})
	for _, m := range found {
		where, group := cmp.Or(form.Get("repositories"), rights.Everywhere), form.Get("kind") == "group"
		if m.Name == name && m.Group == group && m.Repositories == where && m.Role != form.Get("role") {
			fields := map[string]string{"user": name, "role": m.Role, "repositories": m.Repositories}
			if m.Group {
				fields["kind"] = "group"
			}
			return &view.Undo{Action: "/projects/" + project + "/members", Fields: fields}, nil
		}
	}
	return nil, err
}
