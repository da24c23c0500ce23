package people

import (
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

type membersData struct {
	*page.Place
	Members []browse.Member
	Roles   []string
	User    string
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
	if data.Members, err = p.Browse.Members(a.Context(), a.Caller, name); err != nil {
		return nil, err
	}
	for _, role := range auth.Roles() {
		data.Roles = append(data.Roles, role.String())
	}
	return &view.Page{
		Name: "members", Section: "projects", Title: a.Language.Text("members.title") + " · " + name,
		Data: data,
	}, nil
}

func (p *Pages) memberSet(a *page.Ask) error {
	project, user, role := a.PathValue("project"), a.PostForm.Get("user"), a.PostForm.Get("role")
	err := p.cfg.Projects.SetRole(a.Context(), a.Caller, project, user, role)
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
	text := a.Language.Text("members.set", user, a.Language.Text("role."+role))
	if role == auth.NoRole.String() {
		text = a.Language.Text("members.removed", user)
	}
	return p.Done(a, "/projects/"+project+"/members", view.Notice{Text: text})
}
