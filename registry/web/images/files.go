package images

import (
	"net/url"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/web/page"
)

type filesData struct {
	*browse.Files
	Project, Repository, Short string
	Pinned                     string // the artifact by digest
	Layer                      digest.Digest
	Parents                    []string // the directories above, the root left out
	Name                       string   // of the path
}

// URL is the page of a path.
func (d filesData) URL(at string) string {
	v := url.Values{}
	if d.Layer != "" {
		v.Set("layer", d.Layer.String())
	}
	if at != "" {
		v.Set("path", at)
	}
	if len(v) == 0 {
		return "/files/" + d.Pinned
	}
	return "/files/" + d.Pinned + "?" + v.Encode()
}

func (p *Pages) files(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	q := browse.FilesQuery{Path: a.FormValue("path")}
	if text := a.FormValue("layer"); text != "" {
		if q.Layer, err = digest.Parse(text); err != nil {
			return page.Invalid("layer %q: %w", text, err)
		}
	}
	found, err := p.Browse.Files(a.Context(), a.Caller, name, q)
	if err != nil {
		return err
	}
	d := filesData{
		Files: found, Layer: q.Layer, Repository: name.Repository, Project: metadata.ProjectOf(name.Repository),
		Pinned: browse.Name{Repository: name.Repository, Digest: found.Artifact.Manifest.Digest}.String(),
		Name:   path.Base("/" + found.Path),
	}
	_, d.Short, _ = strings.Cut(name.Repository, "/")
	for at := found.Path; at != "" && at != "."; at = path.Dir(at) {
		d.Parents = append([]string{at}, d.Parents...)
	}
	return p.Page(a, "files", "projects", a.Language.Text("files.title")+" · "+name.String(), d)
}
