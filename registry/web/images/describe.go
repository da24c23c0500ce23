package images

import (
	"html/template"

	"cove/registry/describe"
	"cove/registry/metadata"
	"cove/registry/web/markdown"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// described is what is said of a repository, and the form that changes it.
type described struct {
	Description template.HTML
	Text        string // in Markdown, as it is typed
	Version     string
	MayDescribe bool
}

func (p *Pages) description(a *page.Ask, repo string) (d described, err error) {
	said, err := describe.Of(a.Context(), p.DB.Querier(), repo)
	if err != nil {
		return d, err
	}
	d.Text = said.Text
	d.MayDescribe = p.Browse.May(a.Context(), a.Caller, describe.Change, repo)
	if d.Version, err = page.Version(said.Text); err != nil || said.Text == "" {
		return d, err
	}
	d.Description, err = markdown.HTML(said.Text)
	return d, err
}

// describe changes what is said of a repository.
func (p *Pages) describe(a *page.Ask) error {
	repo := metadata.CanonicalName(a.PathValue("repository"))
	text := a.PostForm.Get("description")
	err := p.policies.Describe.Set(a.Context(), a.Caller, repo, text, func(now describe.Description) error {
		return a.Unchanged(now.Text)
	})
	if why, ok := page.Refused(err); ok {
		pg, d, err := p.repositoryPage(a)
		if err != nil {
			return err
		}
		d.Text = text
		return p.Again(a, pg, why)
	}
	if err != nil {
		return err
	}
	return p.Done(a, "/repositories/"+repo, view.Notice{Text: a.Language.Text("describe.saved")})
}
