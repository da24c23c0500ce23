package images

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/images/image"
	"cove/images/names"
	"cove/internal/platforms"
	"cove/reference"
)

// open reads the image that target stands for on this store's platform, or the
// first that is here of an index that has none for it.
func (s *Store) open(ctx context.Context, target ocispec.Descriptor) (image.Image, error) {
	if s.only {
		return s.openOnly(ctx, target)
	}
	return image.Open(ctx, s.cfg.Content, target, func(all []ocispec.Descriptor) (ocispec.Descriptor, error) {
		desc, err := platforms.Choose(all, s.cfg.Platform)
		if err == nil {
			return desc, nil
		}
		for _, other := range all {
			if _, here := s.cfg.Content.Stat(ctx, other.Digest); here == nil {
				return other, nil
			}
		}
		return desc, err
	})
}

// openOnly reads the image of this store's platform, as if it were all there is.
func (s *Store) openOnly(ctx context.Context, target ocispec.Descriptor) (image.Image, error) {
	img, err := s.openFor(ctx, target, s.cfg.Platform)
	if err != nil {
		return img, err
	}
	have := img.Platform()
	if platforms.Rank(&have, s.cfg.Platform) == 0 {
		return img, errdefs.Errorf(errdefs.ErrNotFound, "is for %s here, not for %s", platforms.Format(have),
			platforms.Format(s.cfg.Platform))
	}
	return img, nil
}

// target is what an image is saved, pushed or named as: all of its index, or itself
// where a name stands for it alone.
func (s *Store) target(img image.Image) ocispec.Descriptor {
	if s.only {
		return img.Descriptor
	}
	return img.Target
}

// Open reads the image for one platform of a manifest or index that is here,
// whether or not it has a name.
func (s *Store) Open(ctx context.Context, target ocispec.Descriptor, want ocispec.Platform) (image.Image, error) {
	return s.openFor(ctx, target, s.platform(want))
}

func (s *Store) openFor(ctx context.Context, target ocispec.Descriptor, want ocispec.Platform) (image.Image, error) {
	return image.Open(ctx, s.cfg.Content, target, func(all []ocispec.Descriptor) (ocispec.Descriptor, error) {
		return platforms.Choose(all, want)
	})
}

// Get finds an image by name, by id, or by the beginning of an id. What is not
// here is errdefs.ErrNotFound; an id prefix of several images is
// errdefs.ErrInvalid and lists them.
func (s *Store) Get(ctx context.Context, name string) (image.Image, error) {
	return s.GetHeld(ctx, name, nil)
}

// ID is the ID of the image that a name stands for, which is seldom read for it.
func (s *Store) ID(ctx context.Context, name string) (digest.Digest, error) {
	if ref, err := reference.Parse(name); err == nil && !s.only {
		if rec, err := s.names.Get(ref.String()); err == nil {
			return rec.Image, nil
		}
	}
	img, err := s.Get(ctx, name)
	return img.ID, err
}

// GetHeld is Get for whoever is about to refer to the image by its id: hold is
// called while no name can go, and should put the image where
// removal.Options.UsedBy sees it.
func (s *Store) GetHeld(ctx context.Context, name string, hold func(image.Image) error) (img image.Image, err error) {
	err = s.names.View(ctx, func(all []names.Record) error {
		if img, err = s.find(ctx, all, name); err != nil || hold == nil {
			return err
		}
		return hold(img)
	})
	return img, err
}

func (s *Store) find(ctx context.Context, all []names.Record, name string) (image.Image, error) {
	rec, err := names.Find(all, name)
	if err != nil {
		return image.Image{}, err
	}
	img, err := s.image(ctx, rec.Target, all)
	switch {
	case s.only && errors.Is(err, errdefs.ErrNotFound):
		err = fmt.Errorf("image %s: %w", rec.Called(), err)
	case errors.Is(err, errdefs.ErrCorrupt):
		err = fmt.Errorf("image %s: %w; pull or build it again, or remove it", rec.Called(), err)
	}
	return img, err
}

// image opens target with all its names.
func (s *Store) image(ctx context.Context, target ocispec.Descriptor, all []names.Record) (image.Image, error) {
	img, err := s.open(ctx, target)
	if err != nil {
		return image.Image{}, err
	}
	if s.only {
		all = names.OfIndex(all, target.Digest, img.ID)
	}
	return img, img.AddNames(all)
}

// List returns every image, the newest first.
func (s *Store) List(ctx context.Context) ([]image.Image, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return nil, err
	}
	var list []image.Image
	seen := map[digest.Digest]bool{}
	for _, r := range all {
		if seen[r.Image] {
			continue
		}
		seen[r.Image] = true
		img, err := s.image(ctx, r.Target, all)
		if err != nil {
			if image.Transient(err) {
				return nil, fmt.Errorf("image %s: %w", r.Called(), err)
			}
			if img, err = s.broken(ctx, r, err); err != nil {
				continue // its names went meanwhile
			}
		}
		list = append(list, img)
	}
	slices.SortStableFunc(list, func(a, b image.Image) int { return b.Created.Compare(a.Created) })
	return list, nil
}

// broken describes an image by its records alone, if they are still there.
func (s *Store) broken(ctx context.Context, r names.Record, why error) (image.Image, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return image.Image{}, err
	}
	if _, err := names.Find(all, r.Image.String()); err != nil {
		return image.Image{}, err
	}
	img := image.Image{ID: r.Image, Target: r.Target, Broken: why}
	return img, img.AddNames(all)
}
