package copy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/platforms"
)

// choose reads what ref names, and of it what the options ask for.
func (c *copier) choose(ctx context.Context, ref string) (*node, error) {
	n, err := c.resolve(ctx, ref, "")
	if err != nil || len(c.opts.Platforms) == 0 {
		return n, err
	}
	if !manifest.IsIndex(n.Descriptor.MediaType) {
		return n, c.suits(ctx, n)
	}
	for range maxDepth {
		switch {
		case !manifest.IsIndex(n.Descriptor.MediaType): // its index says what it is for
			return n, nil
		case len(c.opts.Platforms) > 1:
			return part(n, c.opts.Platforms)
		}
		desc, err := platforms.Choose(n.doc.Manifests, c.opts.Platforms[0])
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", n.Descriptor.Digest, err)
		}
		e := &edge{desc: desc, in: n.Descriptor.Digest}
		if n, err = c.read(ctx, e); err != nil {
			return nil, e.explain(err)
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrExhausted, "index %s: is nested more than %d deep", n.Descriptor.Digest,
		maxDepth)
}

const dockerConfig = "application/vnd.docker.container.image.v1+json"

// suits is errdefs.ErrNotFound for an image of another platform. What is no image
// is for all of them.
func (c *copier) suits(ctx context.Context, n *node) error {
	config := n.doc.Config
	if config == nil || config.MediaType != ocispec.MediaTypeImageConfig && config.MediaType != dockerConfig {
		return nil
	}
	body, err := content.ReadBlob(ctx, c.src, *config)
	if err != nil {
		return err
	}
	var have ocispec.Platform
	if err := json.Unmarshal(body, &have); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "image config %s: %w", config.Digest, err)
	}
	for _, want := range c.opts.Platforms {
		if platforms.Rank(&have, want) == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "manifest %s: is for %s, not for %s", n.Descriptor.Digest,
				platforms.Format(have), platforms.Format(want))
		}
	}
	return nil
}

// attests is the annotation by which an entry of an index says of which other it
// is an attestation.
const attests = "vnd.docker.reference.digest"

// part is an index of what of n is for these platforms, with the attestations of
// that, in n's order. Whatever else n says stays.
func part(n *node, want []ocispec.Platform) (*node, error) {
	keep := map[digest.Digest]bool{}
	for _, p := range want {
		desc, err := platforms.Choose(n.doc.Manifests, p)
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", n.Descriptor.Digest, err)
		}
		keep[desc.Digest] = true
	}
	body, err := keepEntries(n.Body, func(i int) bool {
		d := n.doc.Manifests[i]
		return keep[d.Digest] || keep[digest.Digest(d.Annotations[attests])]
	})
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "index %s: %w", n.Descriptor.Digest, err)
	}
	doc, err := manifest.Parse(n.Descriptor.MediaType, body)
	if err != nil {
		return nil, err
	}
	desc := ocispec.Descriptor{
		MediaType: doc.MediaType, Digest: digest.FromBytes(body), Size: int64(len(body)),
	}
	return &node{Manifest: distribution.Manifest{Descriptor: desc, Body: body}, doc: doc}, nil
}

// keepEntries is an index without the entries that are not to be kept.
func keepEntries(body []byte, keep func(i int) bool) ([]byte, error) {
	var doc map[string]json.RawMessage
	var entries, kept []json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(doc["manifests"], &entries); err != nil {
		return nil, err
	}
	for i, e := range entries {
		if keep(i) {
			kept = append(kept, e)
		}
	}
	var err error
	if doc["manifests"], err = json.Marshal(kept); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}
