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
	"cove/images/told"
	"cove/reference"
)

// Put keeps target, a manifest or index in the content store, under all of as at
// once, or without one, and tells that it was made, as the builder does with what it
// has. The caller holds a lease on everything that target refers to.
func (s *Store) Put(ctx context.Context, target ocispec.Descriptor, as ...string) (image.Image, error) {
	return s.keep(ctx, target, as, func(img image.Image) { told.Whole(s.cfg.Root, events.Create, img.ID) })
}

// keep is Put, for who tells of the image itself before its names are told.
func (s *Store) keep(
	ctx context.Context, target ocispec.Descriptor, as []string, tell func(image.Image),
) (image.Image, error) {
	img, err := s.open(ctx, target)
	if err != nil {
		return image.Image{}, err
	}
	refs := make([]reference.Reference, len(as))
	for i, name := range as {
		if refs[i], err = reference.Parse(name); err != nil {
			return image.Image{}, err
		}
	}
	if err := s.put(ctx, img, "", refs...); err != nil {
		return image.Image{}, err
	}
	tell(img)
	for _, ref := range refs {
		told.Named(s.cfg.Root, events.Tag, ref, img)
	}
	return s.Get(ctx, img.ID.String())
}

// put records the names of an image, or that it is kept without one. An image that
// thereby loses its last name is kept as one without, which docker calls dangling.
func (s *Store) put(ctx context.Context, img image.Image, origin digest.Digest, refs ...reference.Reference) error {
	rec := names.Record{Target: image.Bare(s.target(img)), Image: img.ID, Origin: origin, Updated: s.cfg.Now().UTC()}
	named := make([]names.Record, len(refs))
	for i, ref := range refs {
		named[i] = rec
		named[i].Name = ref.String()
	}
	return s.names.Update(ctx, func(c *names.Change) error {
		all, err := c.All(ctx)
		if err != nil {
			return err
		}
		if len(named) == 0 && !names.Named(all, rec.Image, "") {
			return c.Put(rec)
		}
		return c.Move(all, named...)
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
	if ref.FamiliarName() == string(digest.SHA256) || ref.FamiliarName() == string(digest.SHA512) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"refusing to create an ambiguous tag using digest algorithm as name: %s would read as an id", target)
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
	if err := s.put(ctx, img, "", ref); err != nil {
		return err
	}
	told.Named(s.cfg.Root, events.Tag, ref, img)
	return nil
}
