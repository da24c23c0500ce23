package browse

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/reference"
	"cove/registry/auth"
	"cove/registry/browse/about"
	"cove/registry/db"
	"cove/registry/labels"
	"cove/registry/metadata"
)

const (
	maxConfig    = 4 << 20 // bytes of a configuration that are read
	maxShown     = 500     // of layers, steps, platforms and referrers
	maxTags      = 100     // of one artifact
	maxTextShown = 4096    // bytes of one step of the history
)

// Name is what an artifact is asked for by: in a repository, by tag or digest.
type Name struct {
	Repository string
	Tag        string        // "" when it is asked for by digest
	Digest     digest.Digest // "" when it is asked for by tag
}

// ObjectOf is what rights are asked for of what a path names: the repository, also
// of an artifact, or the project; "" of neither. It is one for pages and API.
func ObjectOf(repository, artifact, project string) (string, error) {
	if repository != "" {
		if !reference.ValidRepository(repository) {
			return "", invalid("repository %q: that is no repository's name", repository)
		}
		return metadata.CanonicalName(repository), nil
	}
	if artifact != "" {
		name, err := ParseName(artifact)
		return metadata.CanonicalName(name.Repository), err
	}
	// "team%2Fapp" in a path would be asked about as a repository.
	if strings.Contains(project, "/") {
		return "", invalid("project %q: that is no project's name", project)
	}
	return project, nil
}

// ParseName reads "team/app:v1" or "team/app@sha256:…". The error is
// errdefs.ErrInvalid.
func ParseName(text string) (n Name, err error) {
	repo, dgst, byDigest := strings.Cut(text, "@")
	if byDigest {
		n.Digest = digest.Digest(dgst)
		if err := n.Digest.Validate(); err != nil {
			return n, invalid("artifact %q: %w", text, err)
		}
	} else if repo, n.Tag, _ = strings.Cut(text, ":"); !reference.ValidTag(n.Tag) {
		return n, invalid("artifact %q is not REPOSITORY:TAG or REPOSITORY@DIGEST", text)
	}
	if !reference.ValidRepository(repo) {
		return n, invalid("repository %q: that is no repository's name", repo)
	}
	n.Repository = metadata.CanonicalName(repo)
	return n, nil
}

// String is the name as it is typed after the registry's.
func (n Name) String() string {
	if n.Tag != "" {
		return n.Repository + ":" + n.Tag
	}
	return n.Repository + "@" + n.Digest.String()
}

// Artifact is one artifact in depth. What has a bound and was cut says so by
// More.
type Artifact struct {
	Name     Name
	Manifest ocispec.Descriptor
	Body     []byte // of the manifest
	Tags     []string
	Labels   []labels.Label // that people have put on it, by name
	Subject  digest.Digest  // what it refers to; "" if nothing
	PushedAt time.Time
	PushedBy string
	PulledAt time.Time // zero if it never was, as far as it is known
	PulledBy string    // "" for somebody who was not signed in

	Platforms   []Platform // of an index
	Image       *ocispec.Image
	Config      ocispec.Descriptor // zero for an index
	Layers      []Layer
	Steps       []Step // of an image's history; each layer is in one, if they fit together
	Annotations map[string]string
	Referrers   []ocispec.Descriptor
	More        bool
	Size        int64 // of config and layers
}

// Platform is one manifest of an index.
type Platform struct {
	ocispec.Descriptor
	Name string // as "linux/arm64/v8"; "" if the index does not say
	// Attests is the digest of the manifest that this one tells of; "" for an image.
	Attests digest.Digest
}

// Layer is a blob of an artifact.
type Layer struct {
	ocispec.Descriptor
	Title string // the name of the file that it is, if it says so
	Step  string // what made it; "" if that is not known
}

// Step is a line of an image's history.
type Step struct {
	Made      string // as "RUN apt-get update"
	Comment   string
	CreatedAt time.Time // zero if it does not say
	Layer     *Layer    // nil if it made none
}

// Artifact reads the artifact of a name.
func (b *Browser) Artifact(ctx context.Context, by auth.Caller, name Name) (*Artifact, error) {
	repoID, err := b.repository(ctx, by, name.Repository)
	if err != nil {
		return nil, err
	}
	ctx = auth.WithCaller(ctx, by)
	var m distribution.Manifest
	if name.Tag != "" {
		m, err = b.registry.GetTag(ctx, name.Repository, name.Tag)
	} else {
		m, err = b.registry.GetManifest(ctx, name.Repository, name.Digest)
	}
	if err != nil {
		return nil, err
	}
	a := &Artifact{Name: name, Manifest: m.Descriptor, Body: m.Body}
	if err := b.pushed(ctx, repoID, a); err != nil {
		return nil, err
	}
	if !b.May(ctx, by, auth.ReadLog, metadata.ProjectOf(name.Repository)) {
		a.PulledBy = ""
	}
	if err := a.readManifest(); err != nil {
		return nil, err
	}
	if a.readable() {
		if err := b.readConfig(ctx, a); err != nil {
			return nil, err
		}
	}
	var more bool
	a.Referrers, more, err = b.registry.Referrers(ctx, name.Repository, distribution.ReferrersQuery{
		Subject: m.Descriptor.Digest, Page: distribution.Page{N: maxTags},
	})
	a.More = a.More || more
	return a, err
}

// pushed adds what the database knows of the manifest.
func (b *Browser) pushed(ctx context.Context, repoID int64, a *Artifact) error {
	var at, pulled int64
	var subject string
	dgst := a.Manifest.Digest.String()
	err := b.db.Querier().Row(ctx, `SELECT m.pushed_at, m.pushed_by, m.subject, COALESCE(u.pulled_at, 0), COALESCE(u.pulled_by, '')
		FROM manifests m LEFT JOIN manifest_pulls u ON u.repository_id = m.repository_id AND u.digest = m.digest
		WHERE m.repository_id = $1 AND m.digest = $2`, repoID, dgst).Scan(&at, &a.PushedBy, &subject, &pulled, &a.PulledBy)
	if err != nil {
		return db.NotFound(err, "repository %s has no manifest %s", a.Name.Repository, dgst)
	}
	a.PushedAt, a.Subject = time.UnixMicro(at), digest.Digest(subject)
	if pulled != 0 {
		a.PulledAt = time.UnixMicro(pulled)
	}
	a.Tags, err = db.All(ctx, b.db.Querier(), db.ScanString,
		"SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT $3", repoID, dgst, maxTags)
	if err != nil {
		return err
	}
	on, err := labels.On(ctx, b.db.Querier(), repoID, a.Manifest.Digest)
	a.Labels = on[a.Manifest.Digest]
	return err
}

// readManifest reads index and manifest alike: what one of them lacks is empty.
func (a *Artifact) readManifest() error {
	var doc struct {
		Config      *ocispec.Descriptor  `json:"config"`
		Layers      []ocispec.Descriptor `json:"layers"`
		Manifests   []ocispec.Descriptor `json:"manifests"`
		Annotations map[string]string    `json:"annotations"`
	}
	if err := json.Unmarshal(a.Body, &doc); err != nil {
		return errdefs.Errorf(errdefs.ErrCorrupt, "manifest %s: %w", a.Manifest.Digest, err)
	}
	a.Annotations = doc.Annotations
	for _, desc := range shown(a, doc.Manifests) {
		p := Platform{Descriptor: desc, Attests: digest.Digest(desc.Annotations["vnd.docker.reference.digest"])}
		if desc.Platform != nil {
			p.Name = strings.Trim(desc.Platform.OS+"/"+desc.Platform.Architecture+"/"+desc.Platform.Variant, "/")
		}
		a.Platforms = append(a.Platforms, p)
	}
	if doc.Config != nil {
		a.Config = *doc.Config
		a.Size = doc.Config.Size
	}
	for _, desc := range doc.Layers {
		a.Size += max(0, desc.Size)
	}
	for _, desc := range shown(a, doc.Layers) {
		a.Layers = append(a.Layers, Layer{Descriptor: desc, Title: clip(titleOf(desc))})
	}
	return nil
}

// titleOf is the name of the file that a layer is; "" if it does not say.
func titleOf(desc ocispec.Descriptor) string {
	if title := desc.Annotations[ocispec.AnnotationTitle]; title != "" {
		return title
	}
	path, _ := about.FileOf(desc.Annotations)
	return path
}

// readable says that the configuration is that of an image.
func (a *Artifact) readable() bool {
	switch a.Config.MediaType {
	case ocispec.MediaTypeImageConfig, "application/vnd.docker.container.image.v1+json":
		return true
	}
	return false
}

// readConfig reads the image's configuration. One that is lost or no JSON leaves
// the page without it.
func (b *Browser) readConfig(ctx context.Context, a *Artifact) error {
	body, err := b.configOf(ctx, a)
	if err != nil || body == nil {
		return err
	}
	var img ocispec.Image
	if json.Unmarshal(body, &img) == nil {
		a.Image = &img
		a.readHistory()
	}
	return nil
}

// configOf is the configuration, as much of it as is read; nil of one that is lost.
func (b *Browser) configOf(ctx context.Context, a *Artifact) ([]byte, error) {
	rd, err := b.registry.OpenBlob(ctx, a.Name.Repository, a.Config.Digest)
	if err != nil {
		return nil, unlessGone(err)
	}
	defer rd.Close()
	body, err := io.ReadAll(io.NewSectionReader(rd, 0, min(rd.Size(), maxConfig)))
	if err != nil {
		return nil, unlessGone(err)
	}
	return body, nil
}

// unlessGone passes over that something is not there, or not whole.
func unlessGone(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt) {
		return nil
	}
	return err
}

// readHistory tells of each layer which step made it, if there are as many
// layers as steps that say that they made one.
func (a *Artifact) readHistory() {
	made := 0
	for _, h := range a.Image.History {
		if !h.EmptyLayer {
			made++
		}
	}
	fits, next := made == len(a.Layers), 0
	for _, h := range shown(a, a.Image.History) {
		s := Step{Made: clip(instruction(h.CreatedBy)), Comment: clip(h.Comment)}
		if h.Created != nil {
			s.CreatedAt = *h.Created
		}
		if !h.EmptyLayer && fits {
			s.Layer = &a.Layers[next]
			s.Layer.Step = s.Made
			next++
		}
		a.Steps = append(a.Steps, s)
	}
}

// instruction is what a builder wrote of a step as the Dockerfile had it.
func instruction(text string) string {
	text = strings.TrimSpace(text)
	for _, old := range []struct{ prefix, now string }{
		{"/bin/sh -c #(nop) ", ""},
		{"/bin/sh -c ", "RUN "},
		{"RUN /bin/sh -c ", "RUN "},
	} {
		if rest, ok := strings.CutPrefix(text, old.prefix); ok {
			text = old.now + strings.TrimSpace(rest)
			break
		}
	}
	return strings.TrimSuffix(text, " # buildkit")
}

// shown is as much of a list as a page shows.
func shown[T any](a *Artifact, list []T) []T {
	if len(list) > maxShown {
		a.More = true
		return list[:maxShown]
	}
	return list
}

// clip is as much of a text as a page shows.
func clip(text string) string {
	if len(text) <= maxTextShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxTextShown], "") + "…"
}
