package images

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/clients"
	"cove/registry/metadata"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

const (
	maxPairs    = 200      // of an environment, of labels, of annotations
	maxManifest = 32 << 10 // bytes of a manifest that its page shows
)

// pair is a name with a value.
type pair struct{ Name, Value string }

type artifactData struct {
	Artifact            *browse.Artifact
	Project, Short      string
	Label               string // the last part of where the reader is
	Pinned              string // the name by digest
	Kind                string // of a message
	ArtifactType        string // "" if the kind says it
	Commands            []clients.Client
	Command             clients.Client
	Ports, Volumes      []string
	Environment, Labels []pair
	Annotations         []pair
	Text                string // of the manifest
	Files, MayDelete    bool
}

// Count is for messages, which count in int64.
func (artifactData) Count(layers []browse.Layer) int64 { return int64(len(layers)) }

func (p *Pages) artifact(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	found, err := p.Browse.Artifact(a.Context(), a.Caller, name)
	if err != nil {
		return err
	}
	d := artifactData{Artifact: found, Project: metadata.ProjectOf(name.Repository), Label: name.Tag}
	_, d.Short, _ = strings.Cut(name.Repository, "/")
	d.Pinned = browse.Name{Repository: name.Repository, Digest: found.Manifest.Digest}.String()
	if d.Label == "" {
		d.Label = view.Short(name.Digest)
	}
	artifactType := found.Manifest.ArtifactType
	if artifactType == "" {
		artifactType = found.Config.MediaType
	}
	if found.Image == nil {
		d.ArtifactType = found.Manifest.ArtifactType
	}
	d.Kind = view.Kind(found.Manifest.MediaType, artifactType)
	d.Commands = clients.Pull(p.Host(a), name, d.Kind)
	d.Command = clients.Choose(d.Commands, a.FormValue("client"))
	d.Files = found.HasFiles()
	d.Annotations = sorted(found.Annotations)
	d.Text = indented(found.Body)
	d.MayDelete = p.Browse.May(a.Context(), a.Caller, auth.Delete, d.Project)
	if img := found.Image; img != nil {
		d.Ports = limited(slices.Sorted(maps.Keys(img.Config.ExposedPorts)))
		d.Volumes = limited(slices.Sorted(maps.Keys(img.Config.Volumes)))
		d.Labels = sorted(img.Config.Labels)
		for _, entry := range limited(img.Config.Env) {
			name, value, _ := strings.Cut(entry, "=")
			d.Environment = append(d.Environment, pair{name, value})
		}
	}
	return p.Page(a, "artifact", "projects", name.String(), d)
}

func limited[T any](list []T) []T { return list[:min(len(list), maxPairs)] }

func sorted(m map[string]string) (pairs []pair) {
	for _, name := range limited(slices.Sorted(maps.Keys(m))) {
		pairs = append(pairs, pair{name, m[name]})
	}
	return pairs
}

// indented is JSON as people read it, as much of it as a page shows.
func indented(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		out = *bytes.NewBuffer(body)
	}
	if out.Len() > maxManifest {
		return strings.ToValidUTF8(string(out.Bytes()[:maxManifest]), "") + "\n…"
	}
	return strings.ToValidUTF8(out.String(), "\uFFFD")
}

func (p *Pages) artifactDelete(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	if name.Tag != "" {
		return page.Invalid("artifact %s: it is deleted by its digest", name)
	}
	ctx := auth.WithCaller(a.Context(), a.Caller)
	if err := p.Registry.DeleteManifest(ctx, name.Repository, name.Digest); err != nil {
		return err
	}
	notice := view.Notice{Text: a.Language.Text("artifact.deleted")}
	return p.Done(a, "/projects/"+metadata.ProjectOf(name.Repository), notice)
}
