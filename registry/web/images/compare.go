package images

import (
	"strings"

	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/web/page"
)

type compareData struct {
	*browse.Comparison
	Project, Repository, Short string
	Name, With                 string
}

// compare shows in what another artifact differs from one.
func (p *Pages) compare(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(page.Bounded(a.FormValue("with")))
	switch { // a tag or a digest of the same repository
	case strings.HasPrefix(text, "sha256:"), strings.HasPrefix(text, "sha512:"):
		text = name.Repository + "@" + text
	case text != "" && !strings.ContainsAny(text, ":@/"):
		text = name.Repository + ":" + text
	}
	with, err := browse.ParseName(text)
	if err != nil {
		return err
	}
	found, err := p.Browse.Compare(a.Context(), a.Caller, name, with)
	if err != nil {
		return err
	}
	d := compareData{
		Comparison: found, Repository: name.Repository, Project: metadata.ProjectOf(name.Repository),
		Name: name.String(), With: with.String(),
	}
	_, d.Short, _ = strings.Cut(name.Repository, "/")
	return p.Page(a, "compare", "projects", a.Language.Text("compare.title")+" · "+d.Name, d)
}
