package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"cove/distribution/signature"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/clients"
	"cove/registry/history"
	"cove/registry/labels"
	"cove/registry/metadata"
	"cove/registry/scan/advisory"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
	"cove/registry/signing"
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
	Browsable           bool   // has files to look at
	MayDelete           bool
	MaySeeScans         bool
	MayLabel            bool
	MayUnlabel          bool
	Choices             []labels.Label    // that it may get
	Unasked             bool              // there is no database of vulnerabilities
	Scan                *advisory.Summary // nil of what was not scanned
	Signed              *signing.Report   // nil if nothing is to be said
	kindData
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
	d.Browsable = found.HasFiles()
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
	if d.kindData, err = p.look(a, found); err != nil {
		return err
	}
	if err := errors.Join(p.scanned(a, &d), p.signed(a, &d), p.labelling(a, &d)); err != nil {
		return err
	}
	return p.Page(a, "artifact", "projects", name.String(), d)
}

// scanned adds what scans found, for who may see it.
func (p *Pages) scanned(a *page.Ask, d *artifactData) error {
	isImage := d.Artifact.Image != nil || len(d.Artifact.Platforms) > 0
	d.MaySeeScans = isImage && p.Browse.May(a.Context(), a.Caller, "scan:read", d.Artifact.Name.Repository)
	if !d.MaySeeScans {
		return nil
	}
	found, err := results.Of(a.Context(), p.DB.Querier(), d.Artifact.Manifest.Digest)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return nil
	case err == nil && found.State == results.Scanned:
		d.Scan = &found.Summary
		if found.Scanner == "" {
			some, err := vulndb.Any(a.Context(), p.DB.Querier())
			d.Unasked = !some
			return err
		}
	}
	return err
}

// signed adds what signs the artifact. What cannot be read now, as of an upstream that
// is down, leaves the page without it.
func (p *Pages) signed(a *page.Ask, d *artifactData) error {
	m := d.Artifact.Manifest
	r, err := p.policies.Signing.Report(a.Context(), a.Caller, d.Artifact.Name.Repository, "", m.Digest)
	switch {
	case errors.Is(err, errdefs.ErrUnavailable):
		return nil
	case err != nil:
		return err
	}
	if len(r.Signatures) > 0 || r.Required && !signature.Accessory(d.Artifact.Body) {
		d.Signed = &r
	}
	return nil
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
	if p.Browse.May(a.Context(), a.Caller, history.Undo, name.Repository) {
		notice.Undo = &view.Undo{
			Action: "/restore/" + name.Repository, Fields: map[string]string{"digest": name.Digest.String()},
		}
	}
	return p.Done(a, "/repositories/"+name.Repository, notice)
}
