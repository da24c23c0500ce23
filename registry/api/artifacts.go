package api

import (
	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/history"
)

func (a *API) tags(asked *rest.Ask) (any, error) {
	repo, err := repositoryName(asked)
	if err != nil {
		return nil, err
	}
	q := browse.TagQuery{
		Query: asked.List(), Order: browse.Order(asked.Query.Get("order")), Label: asked.Query.Get("label"),
	}
	switch q.Order {
	case "", browse.Newest, browse.ByName, browse.BySize:
	default:
		return nil, rest.Invalid("query: order %q is none of newest, name and size", q.Order)
	}
	found, more, err := a.browse.Tags(asked.Context(), asked.Caller, repo, q)
	if err != nil {
		return nil, err
	}
	var items []Tag
	for _, t := range found {
		items = append(items, Tag{
			t.Name, t.Digest.String(), t.MediaType, t.ArtifactType, t.Size, t.Platforms, t.PushedAt.UTC(), t.PushedBy,
			namesOf(t.Labels),
		})
	}
	return rest.PageTo(asked, items, rest.Next(more, found, browse.Tag.Cursor)), nil
}

func (a *API) artifact(asked *rest.Ask) (any, error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return nil, err
	}
	found, err := a.browse.Artifact(asked.Context(), asked.Caller, name)
	if err != nil {
		return nil, err
	}
	return artifactOf(found), nil
}

func artifactOf(a *browse.Artifact) Artifact {
	out := Artifact{
		Name: a.Name.String(), Digest: a.Manifest.Digest.String(), MediaType: a.Manifest.MediaType,
		ArtifactType: a.Manifest.ArtifactType, Size: a.Size, Tags: append([]string{}, a.Tags...),
		Labels:  namesOf(a.Labels),
		Subject: a.Subject.String(), PushedAt: a.PushedAt.UTC(), PushedBy: a.PushedBy,
		PulledAt: rest.Moment(a.PulledAt), PulledBy: a.PulledBy,
		Annotations: a.Annotations, More: a.More,
		Platforms: []Platform{}, Layers: []Layer{}, Steps: []Step{}, Referrers: []Referrer{},
	}
	for _, p := range a.Platforms {
		out.Platforms = append(out.Platforms, Platform{p.Name, p.Digest.String(), p.Size, p.Attests.String()})
	}
	for _, l := range a.Layers {
		out.Layers = append(out.Layers, Layer{l.Digest.String(), l.MediaType, l.Size, l.Title})
	}
	for _, s := range a.Steps {
		step := Step{Made: s.Made, Comment: s.Comment, CreatedAt: rest.Moment(s.CreatedAt)}
		if s.Layer != nil {
			step.Layer = s.Layer.Digest.String()
		}
		out.Steps = append(out.Steps, step)
	}
	for _, r := range a.Referrers {
		out.Referrers = append(out.Referrers, Referrer{r.Digest.String(), r.MediaType, r.ArtifactType, r.Size})
	}
	return out
}

func (a *API) artifactDelete(asked *rest.Ask) (any, error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return nil, err
	}
	if a.cfg.Registry == nil { // beside a server, which does it
		_, err := a.cfg.Policies.History.Delete(asked.Context(), asked.Caller, history.Request{
			Repository: name.Repository, Tag: name.Tag, Digest: name.Digest,
		})
		return nil, err
	}
	ctx := auth.WithCaller(asked.Context(), asked.Caller)
	if name.Tag != "" {
		return nil, a.cfg.Registry.DeleteTag(ctx, name.Repository, name.Tag)
	}
	return nil, a.cfg.Registry.DeleteManifest(ctx, name.Repository, name.Digest)
}
