// Package signatures has the pages of whose signatures count in a project.
package signatures

import (
	"cove/registry/policies"
	"cove/registry/signing"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	policies *policies.Policies
}

// New returns the pages.
func New(desk *page.Desk, p *policies.Policies) *Pages { return &Pages{desk, p} }

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	return []page.Row{
		get("/projects/{project}/signing", signing.Read, "project", p.project),
		post("/projects/{project}/signing", signing.Change, "project", p.require),
		post("/projects/{project}/signing/keys", signing.Change, "project", p.trust),
		post("/projects/{project}/signing/keys/remove", signing.Change, "project", p.distrust),
	}
}

type projectData struct {
	*page.Place
	Policy    signing.Policy
	MayChange bool
}

func (p *Pages) project(a *page.Ask) error {
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	name := shared.Project.Name
	d := projectData{Place: shared, MayChange: p.Browse.May(a.Context(), a.Caller, signing.Change, name)}
	if d.Policy, err = p.policies.Signing.Of(a.Context(), a.Caller, name); err != nil {
		return err
	}
	return p.Page(a, "signing", "projects", a.Language.Text("sign.title")+" · "+name, d)
}

func (p *Pages) require(a *page.Ask) error {
	required := a.PostForm.Get("required") == "1"
	err := p.policies.Signing.Require(a.Context(), a.Caller, a.PathValue("project"), required)
	word := map[bool]string{true: "sign.required", false: "sign.released"}[required]
	return p.done(a, err, a.Language.Text(word))
}

func (p *Pages) trust(a *page.Ask) error {
	name := a.PostForm.Get("name")
	_, err := p.policies.Signing.Trust(a.Context(), a.Caller, a.PathValue("project"), name, a.PostForm.Get("pem"))
	return p.done(a, err, a.Language.Text("sign.trusted", name))
}

func (p *Pages) distrust(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.policies.Signing.Distrust(a.Context(), a.Caller, a.PathValue("project"), name)
	return p.done(a, err, a.Language.Text("sign.distrusted", name))
}

// done ends a form: with what it did, or with why the reader must mend it.
func (p *Pages) done(a *page.Ask, err error, text string) error {
	back := "/projects/" + a.PathValue("project") + "/signing"
	if why, ok := page.Refused(err); ok {
		return p.Done(a, back, view.Notice{Bad: true, Text: why})
	}
	if err != nil {
		return err
	}
	return p.Done(a, back, view.Notice{Text: text})
}
