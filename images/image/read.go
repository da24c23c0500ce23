package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/images/gc"
	"cove/layers"
)

// Choose picks the manifest of one platform from an index.
type Choose func([]ocispec.Descriptor) (ocispec.Descriptor, error)

// MaxDepth is how deep an index may be nested.
const MaxDepth = 3

// Open reads the image that target, a manifest or index, stands for.
func Open(ctx context.Context, blobs content.Provider, target ocispec.Descriptor, choose Choose) (Image, error) {
	img := Image{Target: target}
	desc := target
	for depth := 0; ; depth++ {
		body, err := content.ReadBlob(ctx, blobs, desc)
		if err != nil {
			return img, fmt.Errorf("reading manifest: %w", err)
		}
		m, err := Parse(desc, body)
		if err != nil {
			return img, err
		}
		if !manifest.IsIndex(m.MediaType) {
			img.Take(desc, m)
			break
		}
		if depth == MaxDepth {
			return img, errdefs.Errorf(errdefs.ErrInvalid, "index %s: is nested deeper than %d", target.Digest,
				MaxDepth)
		}
		if desc, err = choose(m.Manifests); err != nil {
			return img, fmt.Errorf("index %s: %w", target.Digest, err)
		}
	}
	raw, err := content.ReadBlob(ctx, blobs, img.Manifest.Config)
	if err != nil {
		return img, fmt.Errorf("reading image config: %w", err)
	}
	return img, img.ParseConfig(raw)
}

// Walker visits what images refer to, each blob once.
type Walker struct {
	Blobs content.Provider
	seen  map[digest.Digest]bool
}

// Reach visits the keys of what target refers to, as a collector has them, and returns
// false when visit did. A manifest that is missing or unreadable refers to nothing: its
// name is broken already, and must not keep the rest from being collected.
func (w *Walker) Reach(ctx context.Context, target ocispec.Descriptor, visit func(ref string) bool) (bool, error) {
	if w.seen == nil {
		w.seen = map[digest.Digest]bool{}
	}
	pending := []ocispec.Descriptor{target}
	for len(pending) > 0 {
		desc := pending[0]
		pending = pending[1:]
		if w.seen[desc.Digest] {
			continue
		}
		w.seen[desc.Digest] = true
		if !visit(desc.Digest.String()) {
			return false, nil
		}
		next, chains, err := Children(ctx, w.Blobs, desc)
		if err != nil {
			if Transient(err) {
				return false, err
			}
			continue
		}
		pending = append(pending, next...)
		for _, chain := range chains {
			if !visit(gc.SnapshotPrefix + string(chain)) {
				return false, nil
			}
		}
	}
	return true, nil
}

// Transient errors say nothing about what a manifest refers to, so a collector
// must stop instead of taking it for empty.
func Transient(err error) bool {
	return !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrCorrupt) &&
		!errors.Is(err, errdefs.ErrInvalid)
}

// Children returns what desc refers to, and the snapshots of an image's layers
// when desc is its manifest.
func Children(
	ctx context.Context, blobs content.Provider, desc ocispec.Descriptor,
) ([]ocispec.Descriptor, []layers.ChainID, error) {
	if !manifest.IsManifest(desc.MediaType) {
		return nil, nil, nil
	}
	body, err := content.ReadBlob(ctx, blobs, desc)
	if err != nil {
		return nil, nil, err
	}
	m, err := Parse(desc, body)
	if err != nil {
		return nil, nil, err
	}
	if manifest.IsIndex(m.MediaType) {
		return m.Manifests, nil, nil
	}
	next := append([]ocispec.Descriptor{*m.Config}, m.Layers...)
	var img Image
	img.Take(desc, m)
	raw, err := content.ReadBlob(ctx, blobs, *m.Config)
	if err == nil {
		err = img.ParseConfig(raw)
	}
	if err != nil {
		if Transient(err) {
			return nil, nil, err
		}
		return next, nil, nil
	}
	var chains []layers.ChainID
	for n := range img.Layers {
		chains = append(chains, chainOf(img.Layers[:n+1]))
	}
	return next, chains, nil
}

func chainOf(ls []layers.Layer) layers.ChainID {
	img := Image{Layers: ls}
	return img.ChainID()
}

// Closure adds to descs what target refers to. Images of an index that are for
// other platforms and not here are left out, as docker does.
func Closure(
	ctx context.Context, blobs content.Store, target ocispec.Descriptor, descs []ocispec.Descriptor,
) ([]ocispec.Descriptor, error) {
	descs = append(descs, target)
	children, _, err := Children(ctx, blobs, target)
	if err != nil {
		return nil, err
	}
	for _, c := range children {
		if manifest.IsIndex(target.MediaType) {
			if _, err := blobs.Stat(ctx, c.Digest); err != nil {
				continue
			}
		}
		if manifest.IsManifest(c.MediaType) {
			if descs, err = Closure(ctx, blobs, c, descs); err != nil {
				return nil, err
			}
			continue
		}
		descs = append(descs, c)
	}
	return descs, nil
}
