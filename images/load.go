package images

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/events"
	"cove/images/gc"
	"cove/images/image"
	"cove/images/tarball"
	"cove/images/told"
	"cove/layers"
	"cove/layers/compress"
	"cove/reference"
)

// Loaded is one image that Load found.
type Loaded struct {
	// Name is the canonical name; "" when the archive has only an id.
	Name string
	ID   digest.Digest
}

// Load reads a tar that Save, docker save (of any version) or another tool
// wrote: a docker archive or an OCI layout, compressed or not. It unpacks the
// images and names them as the archive does.
func (s *Store) Load(ctx context.Context, r io.Reader, tell progress.Func) ([]Loaded, error) {
	lease, err := gc.Record(ctx, s.cfg.Content)
	if err != nil {
		return nil, err
	}
	loaded, err := s.load(ctx, r, lease, tell)
	if err != nil {
		err = fmt.Errorf("loading images: %w", err)
	}
	// What no image of the archive refers to does not stay: everything, when it
	// is refused.
	return loaded, errors.Join(err, s.sweep(ctx, lease))
}

// sweep releases a lease and deletes what it held and nothing else refers to.
func (s *Store) sweep(ctx context.Context, lease *gc.Recording) error {
	held := lease.Held()
	if err := lease.Release(); err != nil || len(held) == 0 {
		return err
	}
	_, err := s.collect(context.WithoutCancel(ctx), held)
	return err
}

func (s *Store) load(ctx context.Context, r io.Reader, lease content.Lease, tell progress.Func) ([]Loaded, error) {
	plain, err := compress.NewReader(ctx, r, compress.Limits{})
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	reader := tarball.Reader{Store: s.cfg.Content, Lease: lease, Stored: func(desc ocispec.Descriptor) {
		tell.Tell(progress.Event{Kind: progress.Loading, Desc: desc, Offset: desc.Size})
	}}
	found, err := reader.Read(ctx, plain)
	if err != nil {
		return nil, err
	}
	var loaded []Loaded
	for _, f := range found {
		img, err := s.keepLoaded(ctx, f, lease, tell)
		if err != nil {
			return loaded, err
		}
		more, err := s.nameLoaded(ctx, img, f.Names)
		loaded = append(loaded, more...)
		if err != nil {
			return loaded, err
		}
		told.Whole(s.cfg.Root, events.Load, img.ID)
	}
	return loaded, nil
}

// nameLoaded gives an image the names that its archive has for it, or keeps it
// without one.
func (s *Store) nameLoaded(ctx context.Context, img image.Image, names []string) ([]Loaded, error) {
	refs := make([]reference.Reference, len(names))
	loaded := make([]Loaded, len(names))
	for i, name := range names {
		ref, err := reference.Parse(name)
		if err != nil {
			return nil, err
		}
		refs[i], loaded[i] = ref, Loaded{Name: name, ID: img.ID}
	}
	if err := s.put(ctx, img, "", refs...); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		loaded = append(loaded, Loaded{ID: img.ID})
	}
	return loaded, nil
}

// keepLoaded makes an image of what an archive held.
func (s *Store) keepLoaded(
	ctx context.Context, f tarball.Image, lease content.Lease, tell progress.Func,
) (image.Image, error) {
	target := f.Target
	if target.Digest == "" {
		m, err := f.Manifest(ctx, s.cfg.Content)
		if err == nil {
			target, err = s.writeManifest(ctx, m, lease)
		}
		if err != nil {
			return image.Image{}, err
		}
	}
	img, err := s.open(ctx, target)
	if err != nil {
		return image.Image{}, err
	}
	if err := lease.Add(ctx, img.Refs()...); err != nil {
		return image.Image{}, err
	}
	for _, l := range img.Layers {
		if _, err := s.cfg.Content.Stat(ctx, l.Blob.Digest); err != nil {
			return image.Image{}, errdefs.Errorf(errdefs.ErrInvalid, "image %s: layer %s is not in the archive: %w",
				img.ID, l.Blob.Digest, err)
		}
	}
	return img, s.Unpack(ctx, img, lease, tell)
}

func diffIDs(ls []layers.Layer) []digest.Digest {
	ids := make([]digest.Digest, len(ls))
	for i, l := range ls {
		ids[i] = digest.Digest(l.DiffID)
	}
	return ids
}
