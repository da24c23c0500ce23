package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/manifest"
	"cove/distribution/progress"
)

// Push uploads the manifest or index desc with everything it refers to, each
// digest once and blobs before the manifests that need them, and last moves
// ref (a tag, or "" for the digest alone) to it. What arrived stays when it
// fails: the next Push goes on from there.
func (r *Repository) Push(
	ctx context.Context, ref string, desc ocispec.Descriptor, src content.Provider, opts PushOptions,
) error {
	tree := &tree{src: src, seen: make(map[digest.Digest]bool)}
	if err := tree.add(ctx, desc); err != nil {
		return err
	}
	// The largest first: the transfers then end close together.
	blobs := unique(tree.blobs)
	slices.SortStableFunc(blobs, func(a, b ocispec.Descriptor) int { return cmp.Compare(b.Size, a.Size) })
	err := r.c.Each(ctx, blobs, func(ctx context.Context, desc ocispec.Descriptor) error {
		return r.PushBlob(ctx, desc, src, opts)
	})
	if err != nil {
		return err
	}
	for i, n := range tree.manifests {
		at := ""
		if i == len(tree.manifests)-1 {
			at = ref
		}
		if err := r.PushManifest(ctx, at, n.desc, n.body); err != nil {
			return err
		}
		opts.Progress.Tell(progress.Event{Kind: progress.Pushed, Desc: n.desc, Offset: n.desc.Size})
	}
	return nil
}

// node is one manifest of a tree.
type node struct {
	desc ocispec.Descriptor
	body []byte
}

// tree is an image or index with all below it: manifests in the order in which
// a registry takes them, children first.
type tree struct {
	src       content.Provider
	seen      map[digest.Digest]bool
	manifests []node
	blobs     []ocispec.Descriptor
}

// add walks down from desc. Digests cannot form a circle, and each is walked
// once.
func (t *tree) add(ctx context.Context, desc ocispec.Descriptor) error {
	if t.seen[desc.Digest] {
		return nil
	}
	t.seen[desc.Digest] = true
	body, err := content.ReadBlob(ctx, t.src, desc)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	m, err := manifest.Parse(desc.MediaType, body)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	for _, child := range m.Manifests {
		if !manifest.IsManifest(child.MediaType) { // an index may list blobs, as some caches do
			t.blobs = append(t.blobs, child)
			continue
		}
		if err := t.add(ctx, child); err != nil {
			return fmt.Errorf("in index %s: %w", desc.Digest, err)
		}
	}
	t.blobs = append(t.blobs, m.Blobs()...)
	desc.MediaType, desc.Size = m.MediaType, int64(len(body))
	t.manifests = append(t.manifests, node{desc, body})
	return nil
}
