package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/images/names"
	"cove/internal/platforms"
	"cove/layers"
	"cove/reference"
)

// Image is one local image, for one platform.
type Image struct {
	// ID is the digest of the config, docker's image id.
	ID digest.Digest
	// Names are the names that stand for it, sorted. Digests are its names by
	// digest, as its registries know it.
	Names   []reference.Reference
	Digests []reference.Reference
	// Target is what the names refer to: Descriptor, or an index that lists it.
	Target     ocispec.Descriptor
	Descriptor ocispec.Descriptor // of the manifest
	Manifest   ocispec.Manifest
	Config     ocispec.Image
	// RawConfig are the bytes of Config; fields that the OCI struct lacks
	// (Healthcheck, OnBuild, Shell) are read from them.
	RawConfig []byte
	// Layers are lowest first.
	Layers []layers.Layer
	// Created is the config's; Updated is when a name last moved here.
	Created time.Time
	Updated time.Time
	// Source is where layers that are not here yet come from.
	Source reference.Reference
	// Broken is why only the fields above Descriptor could be read. Only List
	// returns such an image, so that people see it and can remove it.
	Broken error
}

// DiffIDs are the layers' diffIDs, lowest first.
func (i *Image) DiffIDs() []layers.DiffID {
	ids := make([]layers.DiffID, len(i.Layers))
	for n, l := range i.Layers {
		ids[n] = l.DiffID
	}
	return ids
}

// ChainID names the snapshot of all its layers; "" is an image without any.
func (i *Image) ChainID() layers.ChainID { return layers.Chain(i.DiffIDs()...) }

// Platform is the config's.
func (i *Image) Platform() ocispec.Platform { return i.Config.Platform }

// parse reads a manifest or index that desc describes.
func parse(desc ocispec.Descriptor, body []byte) (*manifest.Manifest, error) {
	m, err := manifest.Parse(desc.MediaType, body)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	if m.Config == nil && !manifest.IsIndex(m.MediaType) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "manifest %s: is an artifact (%s) and no image", desc.Digest,
			m.ArtifactType)
	}
	return m, nil
}

// take makes m, which desc describes, the image's manifest.
func (i *Image) take(desc ocispec.Descriptor, m *manifest.Manifest) {
	i.Descriptor = desc
	i.Manifest = ocispec.Manifest{
		MediaType: m.MediaType, Config: *m.Config, Layers: m.Layers,
		Annotations: m.Annotations, Subject: m.Subject,
	}
	i.Manifest.SchemaVersion = 2
}

// parseConfig reads a config and matches its diffIDs with the manifest's
// layers.
func (i *Image) parseConfig(raw []byte) error {
	if err := json.Unmarshal(raw, &i.Config); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "image config %s: %w", i.Manifest.Config.Digest, err)
	}
	i.RawConfig, i.ID = raw, i.Manifest.Config.Digest
	if i.Config.Created != nil {
		i.Created = *i.Config.Created
	}
	diffIDs := i.Config.RootFS.DiffIDs
	if len(diffIDs) != len(i.Manifest.Layers) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"image %s: its config lists %d layers, its manifest %d; is it an image, or another artifact?", i.ID, len(diffIDs), len(i.Manifest.Layers))
	}
	i.Layers = make([]layers.Layer, len(diffIDs))
	for n, d := range diffIDs {
		if err := d.Validate(); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "image config %s: diffID %q: %w", i.ID, d, err)
		}
		i.Layers[n] = layers.Layer{Blob: i.Manifest.Layers[n], DiffID: layers.DiffID(d)}
	}
	return nil
}

// open reads the image that target stands for on this store's platform, or the
// first that is here of an index that has none for it.
func (s *Store) open(ctx context.Context, target ocispec.Descriptor) (Image, error) {
	return s.openBy(ctx, target, func(all []ocispec.Descriptor) (ocispec.Descriptor, error) {
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

// Open reads the image for one platform of a manifest or index that is here,
// whether or not it has a name.
func (s *Store) Open(ctx context.Context, target ocispec.Descriptor, want ocispec.Platform) (Image, error) {
	return s.openFor(ctx, target, s.platform(want))
}

func (s *Store) openFor(ctx context.Context, target ocispec.Descriptor, want ocispec.Platform) (Image, error) {
	return s.openBy(ctx, target, func(all []ocispec.Descriptor) (ocispec.Descriptor, error) {
		return platforms.Choose(all, want)
	})
}

// openBy reads the image that target stands for; choose picks it from an index.
func (s *Store) openBy(
	ctx context.Context, target ocispec.Descriptor,
	choose func([]ocispec.Descriptor) (ocispec.Descriptor, error),
) (Image, error) {
	img := Image{Target: target}
	desc := target
	for depth := 0; ; depth++ {
		body, err := content.ReadBlob(ctx, s.cfg.Content, desc)
		if err != nil {
			return img, fmt.Errorf("reading manifest: %w", err)
		}
		m, err := parse(desc, body)
		if err != nil {
			return img, err
		}
		if !manifest.IsIndex(m.MediaType) {
			img.take(desc, m)
			break
		}
		if depth == maxIndexDepth {
			return img, errdefs.Errorf(errdefs.ErrInvalid, "index %s: is nested deeper than %d", target.Digest,
				maxIndexDepth)
		}
		if desc, err = choose(m.Manifests); err != nil {
			return img, fmt.Errorf("index %s: %w", target.Digest, err)
		}
	}
	raw, err := content.ReadBlob(ctx, s.cfg.Content, img.Manifest.Config)
	if err != nil {
		return img, fmt.Errorf("reading image config: %w", err)
	}
	return img, img.parseConfig(raw)
}

const maxIndexDepth = 3

// addName puts what a record says of an image into it.
func (i *Image) addName(r names.Record) error {
	i.Updated = later(i.Updated, r.Updated)
	if r.Name == "" {
		return nil
	}
	ref, err := reference.Parse(r.Name)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrCorrupt, "image name file: %w", err)
	}
	if ref.Digest == "" {
		i.Names = append(i.Names, ref)
	}
	origin := r.Origin
	if origin == "" {
		origin = ref.Digest
	}
	if known := ref.WithDigest(origin); origin != "" && !slices.Contains(i.Digests, known) {
		i.Digests = append(i.Digests, known)
	}
	if i.Source == (reference.Reference{}) || origin != "" {
		i.Source = ref
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Get finds an image by name, by id, or by the beginning of an id. What is not
// here is errdefs.ErrNotFound; an id prefix of several images is
// errdefs.ErrInvalid and lists them.
func (s *Store) Get(ctx context.Context, name string) (Image, error) {
	return s.GetHeld(ctx, name, nil)
}

// GetHeld is Get for whoever is about to refer to the image by its id: hold is
// called while no name can go, and should put the image where
// RemoveOptions.UsedBy sees it.
func (s *Store) GetHeld(ctx context.Context, name string, hold func(Image) error) (img Image, err error) {
	err = s.names.View(ctx, func(all []names.Record) error {
		if img, err = s.find(ctx, all, name); err != nil || hold == nil {
			return err
		}
		return hold(img)
	})
	return img, err
}

func (s *Store) find(ctx context.Context, all []names.Record, name string) (Image, error) {
	rec, err := names.Find(all, name)
	if err != nil {
		return Image{}, err
	}
	img, err := s.image(ctx, rec.Target, all)
	if errors.Is(err, errdefs.ErrCorrupt) {
		err = fmt.Errorf("image %s: %w; pull or build it again, or remove it", rec.Called(), err)
	}
	return img, err
}

// image opens target with all its names.
func (s *Store) image(ctx context.Context, target ocispec.Descriptor, all []names.Record) (Image, error) {
	img, err := s.open(ctx, target)
	if err != nil {
		return Image{}, err
	}
	return img, img.addNames(all)
}

func (i *Image) addNames(all []names.Record) error {
	for _, r := range all {
		if r.Image == i.ID {
			if err := i.addName(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// List returns every image, the newest first.
func (s *Store) List(ctx context.Context) ([]Image, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return nil, err
	}
	var list []Image
	seen := map[digest.Digest]bool{}
	for _, r := range all {
		if seen[r.Image] {
			continue
		}
		seen[r.Image] = true
		img, err := s.image(ctx, r.Target, all)
		if err != nil {
			if transient(err) {
				return nil, fmt.Errorf("image %s: %w", r.Called(), err)
			}
			if img, err = s.broken(ctx, r, err); err != nil {
				continue // its names went meanwhile
			}
		}
		list = append(list, img)
	}
	slices.SortStableFunc(list, func(a, b Image) int { return b.Created.Compare(a.Created) })
	return list, nil
}

// broken describes an image by its records alone, if they are still there.
func (s *Store) broken(ctx context.Context, r names.Record, why error) (Image, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return Image{}, err
	}
	if _, err := names.Find(all, r.Image.String()); err != nil {
		return Image{}, err
	}
	img := Image{ID: r.Image, Target: r.Target, Broken: why}
	return img, img.addNames(all)
}
