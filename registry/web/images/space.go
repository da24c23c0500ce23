package images

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/web/page"
)

type spaceData struct {
	*browse.Space
	Project, Repository, Short string
	Pinned                     string // the artifact by digest
}

// Share says how much of all that the layers hold is hidden, in percent.
func (d spaceData) Share() int64 {
	return d.LostBytes * 100 / max(1, d.Bytes+d.LostBytes)
}

// Count is a number for messages, which count in int64.
func (d spaceData) Count(n int) int64 { return int64(n) }

// Step is what made a layer; "" where nothing says so.
func (d spaceData) Step(layer digest.Digest) string {
	for _, l := range d.Artifact.Layers {
		if l.Digest == layer {
			return l.Step
		}
	}
	return ""
}

func (p *Pages) space(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	found, err := p.Browse.Space(a.Context(), a.Caller, name)
	if err != nil {
		return err
	}
	d := spaceData{
		Space: found, Repository: name.Repository, Project: metadata.ProjectOf(name.Repository),
		Pinned: browse.Name{Repository: name.Repository, Digest: found.Artifact.Manifest.Digest}.String(),
	}
	_, d.Short, _ = strings.Cut(name.Repository, "/")
	return p.Page(a, "space", "projects", a.Language.Text("space.title")+" · "+name.String(), d)
}
