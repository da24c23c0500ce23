package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/client/wire"
	"cove/distribution/manifest"
	"cove/errdefs"
)

// maxManifest bounds a manifest that is read; registries take 4 MiB at most.
const maxManifest = 4 << 20

// Resolve fetches the manifest or index that ref, a tag or a digest, names
// now, from a mirror where one has it. The body is verified: against ref when
// that is a digest, else against the digest that the registry gives for it.
func (r *Repository) Resolve(ctx context.Context, ref string) (ocispec.Descriptor, []byte, error) {
	var desc ocispec.Descriptor
	var body []byte
	err := r.read(ctx, func(p *wire.Peer) (err error) {
		desc, body, err = r.getManifest(ctx, p, ref)
		return err
	})
	return desc, body, r.about(ref, err)
}

// Manifest fetches the manifest or index desc, verified.
func (r *Repository) Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	got, body, err := r.Resolve(ctx, desc.Digest.String())
	if err == nil && desc.Size != 0 && got.Size != desc.Size {
		err = r.about(desc.Digest.String(),
			errdefs.Errorf(errdefs.ErrCorrupt, "manifest has %d bytes and should have %d", got.Size, desc.Size))
	}
	return body, err
}

// Stat is Resolve without the body; the registry's word is taken for it. One that
// answers no HEAD, or without a digest, is asked for the manifest itself.
func (r *Repository) Stat(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	var desc ocispec.Descriptor
	err := r.read(ctx, func(p *wire.Peer) error {
		a, err := p.Call(ctx, wire.Request{
			Method: http.MethodHead, Path: "/" + r.name + "/manifests/" + ref,
			Header: http.Header{"Accept": {strings.Join(manifest.Accept(), ", ")}}, Scopes: r.pullScopes(),
		}, http.StatusOK)
		if err != nil && !noHead(err) {
			return err
		}
		if err == nil {
			desc, err = wire.Describe(a.Header, a.Length, ref)
		}
		if err != nil {
			desc, _, err = r.getManifest(ctx, p, ref)
		}
		return err
	})
	return desc, r.about(ref, err)
}

// noHead says that it is the method that a registry has refused.
func noHead(err error) bool {
	status := wire.StatusOf(err)
	return status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

func (r *Repository) getManifest(ctx context.Context, p *wire.Peer, ref string) (ocispec.Descriptor, []byte, error) {
	resp, err := p.Do(ctx, wire.Request{
		Method: http.MethodGet, Path: "/" + r.name + "/manifests/" + ref,
		Header: http.Header{"Accept": {strings.Join(manifest.Accept(), ", ")}}, Scopes: r.pullScopes(),
	}, http.StatusOK)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return ocispec.Descriptor{}, nil, p.Explain(err)
	}
	if len(body) > maxManifest {
		return ocispec.Descriptor{}, nil, errdefs.Errorf(errdefs.ErrInvalid,
			"registry %s: manifest is larger than %d bytes", p.Host, maxManifest)
	}
	desc, err := wire.Describe(resp.Header, resp.ContentLength, ref)
	switch {
	case err != nil && desc.Digest != "":
		return ocispec.Descriptor{}, nil, err
	case desc.Digest == "": // some registries do not give it for a tag
		desc.Digest = digest.FromBytes(body)
	case desc.Digest.Algorithm().FromBytes(body) != desc.Digest:
		return ocispec.Descriptor{}, nil,
			errdefs.Errorf(errdefs.ErrCorrupt, "registry %s: manifest %s does not match its digest: it hashes to %s",
				p.Host, desc.Digest, desc.Digest.Algorithm().FromBytes(body))
	}
	desc.Size = int64(len(body))
	m, err := manifest.Parse(desc.MediaType, body)
	if err != nil {
		return ocispec.Descriptor{}, nil, errdefs.Errorf(errdefs.ErrInvalid, "registry %s: %w", p.Host, err)
	}
	desc.MediaType = m.MediaType
	return desc, body, nil
}

// PushManifest stores body under ref, a tag or its digest; "" is its digest.
// One with a subject is entered among its referrers where the registry does not
// do that by itself.
func (r *Repository) PushManifest(ctx context.Context, ref string, desc ocispec.Descriptor, body []byte) error {
	if ref == "" {
		ref = desc.Digest.String()
	}
	doc, err := manifest.Parse(desc.MediaType, body)
	if err != nil {
		return r.about(ref, err)
	}
	subject, err := r.putManifest(ctx, ref, desc, body)
	if err == nil && doc.Subject != nil && subject == "" {
		err = r.addReferrer(ctx, doc.Subject.Digest, desc, doc)
	}
	return r.about(ref, err)
}

// putManifest returns the subject that the registry says it saw.
func (r *Repository) putManifest(
	ctx context.Context, ref string, desc ocispec.Descriptor, body []byte,
) (subject string, err error) {
	err = r.c.retry.Do(ctx, func() error {
		a, err := r.origin().Call(ctx, wire.Request{
			Method: http.MethodPut, Path: "/" + r.name + "/manifests/" + ref,
			Header: http.Header{"Content-Type": {desc.MediaType}},
			Body:   func() io.Reader { return bytes.NewReader(body) }, Length: int64(len(body)), Scopes: r.pushScopes(),
		}, http.StatusCreated, http.StatusOK, http.StatusAccepted)
		if err == nil {
			subject = a.Header.Get("OCI-Subject")
		}
		return err
	})
	return subject, err
}

// Delete removes a tag or, by digest, a manifest.
func (r *Repository) Delete(ctx context.Context, ref string) error {
	err := r.c.retry.Do(ctx, func() error {
		_, err := r.origin().Call(ctx, wire.Request{
			Method: http.MethodDelete, Path: "/" + r.name + "/manifests/" + ref,
			Scopes: r.scopes(nil, distribution.Delete),
		}, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
		return err
	})
	return r.about(ref, err)
}
