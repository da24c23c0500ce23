package images

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/events"
	"cove/images/image"
	"cove/images/names"
	"cove/reference"
)

// Put names target, a manifest or index in the content store, as the builder
// does with what it made. The name "" keeps the image without a name. The
// caller holds a lease on everything that target refers to.
func (s *Store) Put(ctx context.Context, name string, target ocispec.Descriptor) (image.Image, error) {
	img, err := s.open(ctx, target)
	if err != nil {
		return image.Image{}, err
	}
	var ref reference.Reference
	if name != "" {
		if ref, err = reference.Parse(name); err != nil {
			return image.Image{}, err
		}
	}
	if err := s.put(ctx, ref, img, ""); err != nil {
		return image.Image{}, err
	}
	if name != "" {
		s.tellNamed(events.Tag, ref, img)
	}
	return s.Get(ctx, img.ID.String())
}

// put records a name. An image that thereby loses its last name is kept as one
// without, which docker calls dangling.
func (s *Store) put(ctx context.Context, ref reference.Reference, img image.Image, origin digest.Digest) error {
	rec := names.Record{Target: image.Bare(s.target(img)), Image: img.ID, Origin: origin, Updated: s.cfg.Now().UTC()}
	if ref != (reference.Reference{}) {
		rec.Name = ref.String()
	}
	return s.names.Update(ctx, func(c *names.Change) error {
		all, err := c.All(ctx)
		if err != nil {
			return err
		}
		if rec.Name == "" {
			if names.Named(all, rec.Image, "") {
				return nil
			}
			return c.Put(rec)
		}
		return c.Move(all, rec)
	})
}

// Tag gives the image source one more name, taking it from another image if
// need be.
func (s *Store) Tag(ctx context.Context, source, target string) error {
	ref, err := reference.Parse(target)
	if err != nil {
		return err
	}
	if ref.Digest != "" {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"tagging %s: a name with a digest cannot be given, the digest is what it is", target)
	}
	// Between finding the image and naming it, it must not be collected.
	lease, err := s.cfg.Content.Lease(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	img, err := s.Get(ctx, source)
	if err != nil {
		return fmt.Errorf("tagging: %w", err)
	}
	if err := lease.Add(ctx, img.Refs()...); err != nil {
		return err
	}
	if _, err := s.Get(ctx, img.ID.String()); err != nil {
		return fmt.Errorf("tagging: %w", err)
	}
	if err := s.put(ctx, ref, img, ""); err != nil {
		return err
	}
	s.tellNamed(events.Tag, ref, img)
	return nil
}
