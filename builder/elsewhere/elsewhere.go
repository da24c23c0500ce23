// Package elsewhere finds the layers of images that are not here: a build cache has some,
// and the registries of base images have others. An image that goes to a registry which
// has them needs none of their bytes.
package elsewhere

import (
	"context"
	"errors"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/builder/plan"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
)

// Layers are those of images. It is safe for concurrent use.
type Layers struct {
	Images []export.Image
	Store  content.Provider
	Cache  Cache
	// Fetch brings the layers of a base image into the store.
	Fetch func(ctx context.Context, base plan.Base) error
}

// Cache is the build cache, here and elsewhere.
type Cache interface {
	// Open opens a layer of the store, or of a cache elsewhere.
	content.Provider
	// Fetch brings a layer into the store, unless it is there.
	Fetch(ctx context.Context, l layers.Layer) error
}

var _ export.Rest = Layers{}

// Open implements content.Provider. Of a base image all layers are brought here for one.
func (l Layers) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	r, err := l.Cache.Open(ctx, desc)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return r, err
	}
	has := func(of layers.Layer) bool { return of.Blob.Digest == desc.Digest }
	for _, img := range l.Images {
		if slices.ContainsFunc(img.Base.Layers, has) {
			if err := l.Fetch(ctx, img.Base); err != nil {
				return nil, err
			}
			return l.Store.Open(ctx, desc)
		}
	}
	return nil, err
}

// Bring implements export.Rest.
func (l Layers) Bring(ctx context.Context) error {
	for _, img := range l.Images {
		below := len(img.Base.Layers)
		if below > 0 {
			if err := l.Fetch(ctx, img.Base); err != nil {
				return err
			}
		}
		for _, made := range img.Layers[min(below, len(img.Layers)):] {
			if err := l.Cache.Fetch(ctx, made); err != nil {
				return err
			}
		}
	}
	return nil
}
