package containers

import (
	"context"
	"errors"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/listing"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/images"
	"cove/images/image"
	"cove/internal/platforms"
)

// Containers lists containers, newest first. A filter that does not exist is
// errdefs.ErrInvalid. A container's Image is the name that it was made from while
// that still stands for its image, and then the image's ID, as docker shows it.
func (cs *Containers) Containers(ctx context.Context, f listing.Filter) ([]listing.Container, error) {
	store, err := cs.parts.Images()
	if err != nil {
		return nil, err
	}
	if f, err = withDescendants(ctx, store, f); err != nil {
		return nil, err
	}
	all, err := uses.Containers(ctx, cs.parts, f)
	if err != nil {
		return nil, err
	}
	called := map[[3]string]bool{}
	for i, c := range all {
		key := [3]string{c.Image, c.ImageID, c.Platform}
		still, known := called[key]
		if !known {
			still = stillCalled(ctx, store, c)
			called[key] = still
		}
		if !still {
			all[i].Image = c.ImageID
		}
	}
	return all, nil
}

// stillCalled reports whether the name that a container was made from stands for its
// image, as far as that can be read.
func stillCalled(ctx context.Context, store *images.Store, c listing.Container) bool {
	id, err := store.ID(ctx, c.Image)
	if err == nil && id.String() != c.ImageID {
		// The name may have an image for each of several platforms.
		var p ocispec.Platform
		if p, err = platforms.Parse(c.Platform); err == nil {
			id, err = store.For(p).ID(ctx, c.Image)
		}
	}
	if err != nil {
		return image.Transient(err)
	}
	return id.String() == c.ImageID
}

// withDescendants replaces the images of the filter ancestor by the IDs of these and of
// all that were made from them. An image that is not here has no containers.
func withDescendants(ctx context.Context, store *images.Store, f listing.Filter) (listing.Filter, error) {
	asked := f.Terms[listing.Ancestor]
	if len(asked) == 0 {
		return f, nil
	}
	all, err := store.List(ctx)
	if err != nil {
		return f, err
	}
	var ids []string
	for _, name := range asked {
		of, err := store.Get(ctx, name)
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
			continue
		case err != nil:
			return f, err
		}
		ids = append(ids, of.ID.String())
		for _, img := range all {
			if img.Broken == nil && img.MadeFrom(&of) {
				ids = append(ids, img.ID.String())
			}
		}
	}
	if len(ids) == 0 {
		ids = []string{"none"}
	}
	f.Terms = maps.Clone(f.Terms)
	f.Terms[listing.Ancestor] = slices.Compact(slices.Sorted(slices.Values(ids)))
	return f, nil
}
