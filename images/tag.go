package images

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/events"
	"cove/images/names"
	"cove/reference"
)

// Put names target, a manifest or index in the content store, as the builder
// does with what it made. The name "" keeps the image without a name. The
// caller holds a lease on everything that target refers to.
func (s *Store) Put(ctx context.Context, name string, target ocispec.Descriptor) (Image, error) {
	img, err := s.open(ctx, target)
	if err != nil {
		return Image{}, err
	}
	var ref reference.Reference
	if name != "" {
		if ref, err = reference.Parse(name); err != nil {
			return Image{}, err
		}
	}
	if err := s.put(ctx, ref, img, ""); err != nil {
		return Image{}, err
	}
	if name != "" {
		s.tellNamed(events.Tag, ref, img)
	}
	return s.Get(ctx, img.ID.String())
}

// put records a name. An image that thereby loses its last name is kept as one
// without, which docker calls dangling.
func (s *Store) put(ctx context.Context, ref reference.Reference, img Image, origin digest.Digest) error {
	rec := names.Record{Target: bare(img.Target), Image: img.ID, Origin: origin, Updated: s.cfg.Now().UTC()}
	if ref != (reference.Reference{}) {
		rec.Name = ref.String()
	}
	return s.names.Update(ctx, func(c *names.Change) error {
		all, err := c.All(ctx)
		if err != nil {
			return err
		}
		if rec.Name == "" {
			if named(all, rec.Image, "") {
				return nil
			}
			return c.Put(rec)
		}
		return move(c, all, rec)
	})
}

// move puts a named record, and after it what follows for the image that has
// the name now and for the one that had it.
func move(c *names.Change, all []names.Record, rec names.Record) error {
	for _, r := range all {
		if r.Name == rec.Name && r.Target.Digest == rec.Target.Digest && rec.Origin == "" {
			rec.Origin = r.Origin // the registry knows it still
		}
	}
	if err := c.Put(rec); err != nil {
		return err
	}
	for _, r := range all {
		var err error
		switch {
		case r.Name == "" && r.Image == rec.Image:
			err = c.Delete(r)
		case r.Name == rec.Name && r.Image != rec.Image && !named(all, r.Image, r.Name):
			err = c.Put(names.Record{Target: r.Target, Image: r.Image, Updated: rec.Updated})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bare is a descriptor without what belongs to the document it came from.
func bare(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform}
}

// named reports whether an image has a name other than except.
func named(all []names.Record, id digest.Digest, except string) bool {
	return slices.ContainsFunc(all, func(r names.Record) bool {
		return r.Image == id && r.Name != "" &&
			r.Name != except
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
	if err := lease.Add(ctx, img.refs()...); err != nil {
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

// refs are the keys, as Roots has them, of an image's own manifest, config and
// layers.
func (i *Image) refs() []string {
	refs := []string{i.Target.Digest.String(), i.Descriptor.Digest.String(), i.ID.String()}
	for n, l := range i.Layers {
		refs = append(refs, l.Blob.Digest.String())
		refs = append(refs, snapshotPrefix+string(chainOf(i.Layers[:n+1])))
	}
	return refs
}
