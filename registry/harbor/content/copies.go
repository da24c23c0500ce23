package content

import (
	"strings"

	"cove/distribution"
	"cove/distribution/copy"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/metadata"
)

// artifactCopy copies an artifact of this registry with what refers to it and, as Harbor
// does, all of its tags. No bytes are moved. A tag that is there already is moved, as a push
// would, if its project lets it.
func (o operations) artifactCopy(asked *edge.Ask) (any, error) {
	text := asked.URL.Query().Get("from")
	if text == "" {
		return nil, edge.Invalid("query: from is needed: PROJECT/REPOSITORY:TAG or PROJECT/REPOSITORY@DIGEST")
	}
	from, err := browse.ParseName(text)
	if err != nil {
		return nil, err
	}
	repository := metadata.CanonicalName(from.Repository)
	// The path has asked whether the caller may push; what comes from elsewhere he must be
	// allowed to pull.
	if err := o.Judge.Permit(asked.Context(), o.DB, asked.Caller, auth.Pull, repository); err != nil {
		return nil, err
	}
	ctx := auth.WithCaller(asked.Context(), asked.Caller)
	src := &copy.Local{Registry: o.Registry, Repo: repository}
	dst := &copy.Local{Registry: o.Registry, Repo: asked.Repository}
	ref := from.Tag
	if from.Digest != "" {
		ref = from.Digest.String()
	}
	copied, err := copy.Copy(ctx, dst, src, ref, copy.Options{Referrers: true, TrustSource: true})
	if err != nil {
		return nil, err
	}
	r, err := o.Lists.Repository(ctx, repository)
	if err != nil {
		return nil, err
	}
	m, err := o.Registry.GetManifest(ctx, asked.Repository, copied.Digest)
	if err != nil {
		return nil, err
	}
	for page := (listing.Page{N: edge.MaxPage}); ; page.Skip += page.N {
		tags, _, err := o.Lists.Tags(ctx, r.ID, copied.Digest, page)
		if err != nil {
			return nil, err
		}
		for _, t := range tags {
			if _, err := o.Registry.PutManifest(ctx, asked.Repository,
				distribution.Manifest{Descriptor: m.Descriptor, Body: m.Body}, t.Name); err != nil {
				return nil, err
			}
		}
		if len(tags) < page.N {
			break
		}
	}
	path, _ := strings.CutSuffix(asked.URL.EscapedPath()[len(edge.Base):], "/")
	asked.Created(path + "/" + copied.Digest.String())
	return nil, nil
}
