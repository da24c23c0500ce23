package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/client/wire"
	"cove/distribution/manifest"
	"cove/errdefs"
)

// Referrers lists what refers to subject, of artifactType when it is not "". A
// registry from before referrers has them under a tag made of the digest.
func (r *Repository) Referrers(
	ctx context.Context, subject digest.Digest, artifactType string,
) ([]ocispec.Descriptor, error) {
	path := "/" + r.name + "/referrers/" + subject.String()
	if artifactType != "" {
		path += "?artifactType=" + url.QueryEscape(artifactType)
	}
	var index ocispec.Index
	err := r.c.pages(ctx, r.origin(), path, r.pullScopes(), func(body []byte) error {
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
			return errNoList // of a site around the registry, as where it sends those who ask for what it does not know
		}
		var page ocispec.Index
		err := json.Unmarshal(body, &page)
		index.Manifests = append(index.Manifests, page.Manifests...)
		return err
	})
	if noReferrers(wire.StatusOf(err)) || errors.Is(err, errNoList) {
		if index, err = r.referrersTag(ctx, subject); errors.Is(err, errNoList) {
			index, err = ocispec.Index{}, nil // somebody has another use for that tag
		}
	}
	if err != nil {
		return nil, r.about("referrers of "+subject.String(), err)
	}
	// A registry may leave the filter to us.
	var out []ocispec.Descriptor
	for _, d := range index.Manifests {
		if artifactType == "" || d.ArtifactType == artifactType {
			out = append(out, d)
		}
	}
	return out, nil
}

// noReferrers says that a registry from before referrers has answered. The
// specification has 404; routers that know the path of no such thing say others too.
func noReferrers(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest,
		http.StatusNotAcceptable:
		return true
	}
	return false
}

// errNoList says that what should be a list of referrers is something else.
var errNoList = errors.New("it is no index")

// referrersTag reads the list kept under a tag; none is an empty one.
func (r *Repository) referrersTag(ctx context.Context, subject digest.Digest) (index ocispec.Index, err error) {
	desc, body, err := r.getManifest(ctx, r.origin(), tagOf(subject))
	switch {
	case wire.StatusOf(err) == http.StatusNotFound:
		return index, nil
	case err != nil:
		return index, err
	case desc.MediaType != ocispec.MediaTypeImageIndex:
		return index, errdefs.Errorf(errdefs.ErrConflict,
			"tag %s, which should list the referrers of %s, is a %s: %w", tagOf(subject), subject, desc.MediaType,
			errNoList)
	}
	return index, json.Unmarshal(body, &index)
}

// addReferrer enters desc, a manifest that names subject, in the list that a
// registry from before referrers does not keep by itself.
func (r *Repository) addReferrer(
	ctx context.Context, subject digest.Digest, desc ocispec.Descriptor, doc *manifest.Manifest,
) error {
	index, err := r.referrersTag(ctx, subject)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == desc.Digest }) {
		return nil
	}
	desc.ArtifactType, desc.Annotations = doc.ArtifactType, doc.Annotations
	body, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: append(index.Manifests, desc),
	})
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "list of referrers: %w", err)
	}
	list := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(body),
		Size: int64(len(body)),
	}
	_, err = r.putManifest(ctx, tagOf(subject), list, body)
	return err
}

// tagOf is the specification's "Referrers Tag Schema".
func tagOf(subject digest.Digest) string { return strings.ReplaceAll(subject.String(), ":", "-") }
