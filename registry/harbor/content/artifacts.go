package content

import (
	"strings"

	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/reference"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
	"cove/registry/immutable"
	"cove/registry/metadata"
)

func repositoryOf(r listing.Repository) shape.Repository {
	return shape.Repository{
		ID: r.ID, ProjectID: r.ProjectID, Name: r.Name, Artifacts: r.Artifacts,
		Created: r.CreatedAt, Updated: r.Updated, Description: r.Description,
	}
}

func (o operations) allRepositories(asked *edge.Ask) (any, error) { return o.repositoryList(asked, "") }

func (o operations) repositories(asked *edge.Ask) (any, error) {
	return o.repositoryList(asked, asked.Project)
}

func (o operations) repositoryList(asked *edge.Ask, project string) (any, error) {
	found, total, err := o.Lists.Repositories(asked.Context(), asked.Caller.Viewer(), project, "", asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.Repository{}
	for _, r := range found {
		items = append(items, repositoryOf(r))
	}
	return items, nil
}

func (o operations) repositoryGet(asked *edge.Ask) (any, error) {
	r, err := o.Lists.Repository(asked.Context(), asked.Repository)
	if err == nil && r.Artifacts == 0 { // what was deleted of it can be had back; lists have it no more
		err = errdefs.Errorf(errdefs.ErrNotFound, "repository %s does not exist", asked.Repository)
	}
	return repositoryOf(r), err
}

func (o operations) repositoryChange(asked *edge.Ask) (any, error) {
	var wanted shape.RepositoryChange
	if err := asked.Read(&wanted); err != nil {
		return nil, err
	}
	if wanted.Name != "" && metadata.CanonicalName(wanted.Name) != asked.Repository {
		return nil, edge.Unsupported("another name of a repository: rename it by POST /api/v1/rename/%s, name", asked.Repository)
	}
	if _, err := o.repositoryGet(asked); err != nil || wanted.Description == nil {
		return nil, err
	}
	return nil, o.Policies.Describe.Set(asked.Context(), asked.Caller, asked.Repository, *wanted.Description)
}

func (o operations) repositoryDelete(asked *edge.Ask) (any, error) {
	_, err := o.Policies.History.DeleteRepository(asked.Context(), asked.Caller, asked.Repository)
	return nil, err
}

// kinds are Harbor's words for what an artifact is, by the media type of its config.
var kinds = map[string]string{
	"application/vnd.oci.image.config.v1+json":       "IMAGE",
	"application/vnd.docker.container.image.v1+json": "IMAGE",
	"application/vnd.cncf.helm.config.v1+json":       "CHART",
	"application/vnd.cncf.model.config.v1+json":      "CNAI",
	"application/vnd.cnab.manifest.v1":               "CNAB",
	"application/vnd.wasm.config.v1+json":            "WASM",
}

func (o operations) artifacts(asked *edge.Ask) (any, error) {
	p, err := o.place(asked)
	if err != nil {
		return nil, err
	}
	found, total, err := o.Lists.Artifacts(asked.Context(), p.repository, asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.Artifact{}
	for _, a := range found {
		shown, err := o.artifactNamed(asked, browse.Name{Repository: asked.Repository, Digest: a.Digest}, p)
		if err == nil {
			shown.Scans, err = o.overview(asked, shown.Digest)
		}
		if err != nil {
			return nil, err
		}
		items = append(items, shown)
	}
	return items, nil
}

// name is what the path's reference names: a digest or a tag.
func (o operations) name(asked *edge.Ask) (browse.Name, error) {
	named := asked.PathValue("reference")
	if strings.Contains(named, ":") {
		return browse.ParseName(asked.Repository + "@" + named)
	}
	return browse.ParseName(asked.Repository + ":" + named)
}

// named is the artifact that the path's reference names.
func (o operations) named(asked *edge.Ask) (*browse.Artifact, error) {
	name, err := o.name(asked)
	if err != nil {
		return nil, err
	}
	return o.Browse.Artifact(asked.Context(), asked.Caller, name)
}

func (o operations) artifact(asked *edge.Ask) (any, error) {
	name, err := o.name(asked)
	if err != nil {
		return nil, err
	}
	p, err := o.place(asked)
	if err != nil {
		return nil, err
	}
	shown, err := o.artifactNamed(asked, name, p)
	if err != nil {
		return nil, err
	}
	shown.Scans, err = o.overview(asked, shown.Digest)
	return shown, err
}

func (o operations) artifactNamed(asked *edge.Ask, name browse.Name, p place) (shape.Artifact, error) {
	a, err := o.Browse.Artifact(asked.Context(), asked.Caller, name)
	if err != nil {
		return shape.Artifact{}, err
	}
	listed := listing.Artifact{Digest: a.Manifest.Digest}
	out := shape.Artifact{
		ID: listed.ID(p.repository), Type: kindOf(a), MediaType: a.Config.MediaType, ManifestType: a.Manifest.MediaType,
		ArtifactType: a.Manifest.ArtifactType,
		ProjectID:    p.project, RepositoryID: p.repository, Repository: asked.Repository,
		Digest: a.Manifest.Digest.String(), Size: a.Size + a.Manifest.Size, Pushed: a.PushedAt.UTC(),
		Annotations: a.Annotations, Tags: []shape.Tag{}, Labels: []shape.Label{},
	}
	if out.MediaType == "" {
		out.MediaType = a.Manifest.MediaType
	}
	for _, l := range a.Labels {
		out.Labels = append(out.Labels, edge.LabelOf(l))
	}
	for _, child := range a.Platforms {
		out.References = append(out.References, shape.Reference{
			ChildDigest: child.Digest.String(), Platform: platformOf(child),
		})
		out.Size += child.Size
	}
	if out.Accessories, err = o.accessoriesOf(asked, a, p.repository); err != nil {
		return out, err
	}
	tags, _, err := o.Lists.Tags(asked.Context(), p.repository, a.Manifest.Digest, listing.Page{N: edge.MaxPage})
	for _, t := range tags {
		out.Tags = append(out.Tags, p.tag(asked.Repository, t))
	}
	return out, err
}

func platformOf(p browse.Platform) shape.Platform {
	if p.Platform == nil {
		return shape.Platform{}
	}
	return shape.Platform{OS: p.Platform.OS, Architecture: p.Platform.Architecture, Variant: p.Platform.Variant}
}

func kindOf(a *browse.Artifact) string {
	if manifest.IsIndex(a.Manifest.MediaType) {
		return "IMAGE"
	}
	if kind := kinds[a.Config.MediaType]; kind != "" {
		return kind
	}
	return "UNKNOWN"
}

// place is what all artifacts of a repository share, read once for a list of them.
type place struct {
	repository, project int64
	rules               []immutable.Rule // by which tags stay where they are
}

func (o operations) place(asked *edge.Ask) (p place, err error) {
	if p.repository, err = o.DB.Repository(asked.Context(), asked.Repository); err == nil {
		p.project, err = o.ProjectID(asked)
	}
	if err == nil {
		p.rules, err = immutable.Of(asked.Context(), o.DB.Querier(), asked.Project)
	}
	return p, err
}

func (p place) tag(repository string, t listing.Tag) shape.Tag {
	_, kept := immutable.Among(p.rules, repository, t.Name)
	return shape.Tag{
		ID: t.ID(p.repository), ArtifactID: listing.Artifact{Digest: t.Digest}.ID(p.repository),
		RepositoryID: p.repository, Name: t.Name, Pushed: t.PushedAt, Immutable: kept,
	}
}

func (o operations) artifactDelete(asked *edge.Ask) (any, error) {
	// Harbor deletes the artifact with all its tags, also where the path names a tag.
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	ctx := auth.WithCaller(asked.Context(), asked.Caller)
	return nil, o.Registry.DeleteManifest(ctx, a.Name.Repository, a.Manifest.Digest)
}

func (o operations) buildHistory(asked *edge.Ask) (any, error) {
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	if a.Image == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%s is no image: it has no build history", a.Name)
	}
	steps := []shape.Step{}
	for _, s := range a.Image.History {
		steps = append(steps, shape.Step{
			Created: s.Created, CreatedBy: s.CreatedBy, Comment: s.Comment, Empty: s.EmptyLayer,
		})
	}
	return steps, nil
}

func (o operations) tags(asked *edge.Ask) (any, error) {
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	p, err := o.place(asked)
	if err != nil {
		return nil, err
	}
	found, total, err := o.Lists.Tags(asked.Context(), p.repository, a.Manifest.Digest, asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.Tag{}
	for _, t := range found {
		items = append(items, p.tag(asked.Repository, t))
	}
	return items, nil
}

// tagCreate gives the artifact one more tag: its manifest is put once more under it, so
// that all that a push is asked, is asked here too. A tag that is there is not moved.
func (o operations) tagCreate(asked *edge.Ask) (any, error) {
	var t shape.NewTag
	if err := asked.Read(&t); err != nil {
		return nil, err
	}
	if !reference.ValidTag(t.Name) {
		return nil, edge.Invalid("body: %q is no tag's name", t.Name)
	}
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	ctx := auth.WithCaller(asked.Context(), asked.Caller)
	if _, err := o.Registry.GetTag(ctx, asked.Repository, t.Name); err == nil {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "tag %s:%s exists", asked.Repository, t.Name)
	}
	_, err = o.Registry.PutManifest(ctx, asked.Repository,
		distribution.Manifest{Descriptor: a.Manifest, Body: a.Body}, t.Name)
	if err != nil {
		return nil, err
	}
	asked.Created(asked.URL.EscapedPath()[len(edge.Base):] + "/" + t.Name)
	return nil, nil
}

func (o operations) tagDelete(asked *edge.Ask) (any, error) {
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	ctx := auth.WithCaller(asked.Context(), asked.Caller)
	tag := asked.PathValue("tag")
	m, err := o.Registry.GetTag(ctx, asked.Repository, tag)
	if err != nil {
		return nil, err
	}
	if m.Descriptor.Digest != a.Manifest.Digest {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%s is no tag of %s", tag, a.Name)
	}
	return nil, o.Registry.DeleteTag(ctx, asked.Repository, tag)
}
