package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/events"
	"cove/images/gc"
	"cove/images/image"
	"cove/images/tarball"
	"cove/images/told"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/diff"
)

// Create makes an image of a config and layers that are in the content store,
// and names it ("" leaves it without a name). config is the JSON of an image
// config whose diffIDs are those of the layers; fields that the OCI
// specification does not know stay as they are. hold covers the layers.
func (s *Store) Create(
	ctx context.Context, name string, config []byte, ls []layers.Layer, hold content.Lease,
) (image.Image, error) {
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config)}
	if err := hold.Add(ctx, desc.Digest.String()); err != nil {
		return image.Image{}, err
	}
	desc, err := content.WriteBytes(ctx, s.cfg.Content, desc, config)
	if err != nil {
		return image.Image{}, err
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: desc, Layers: []ocispec.Descriptor{}}
	for _, l := range ls {
		m.Layers = append(m.Layers, l.Blob)
	}
	target, err := s.writeManifest(ctx, m, hold)
	if err != nil {
		return image.Image{}, err
	}
	var as []string
	if name != "" {
		as = append(as, name)
	}
	return s.keep(ctx, target, as, func(image.Image) {}) // whoever commits tells of the container
}

func (s *Store) writeManifest(ctx context.Context, m ocispec.Manifest, hold content.Lease) (ocispec.Descriptor, error) {
	m.SchemaVersion = 2
	body, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(body)}
	if err := hold.Add(ctx, desc.Digest.String()); err != nil {
		return ocispec.Descriptor{}, err
	}
	return content.WriteBytes(ctx, s.cfg.Content, desc, body)
}

// ImportOptions are the choices of Import.
type ImportOptions struct {
	// Name is given to the image; "" leaves it without.
	Name string
	// Config is the image's; Import adds what it knows.
	Config   image.Config
	Platform ocispec.Platform
	// Message is the comment in the history.
	Message string
}

// Import makes an image of one layer from the tar of a root filesystem,
// compressed or not. One that is refused leaves nothing.
func (s *Store) Import(ctx context.Context, r io.Reader, opts ImportOptions) (image.Image, error) {
	lease, err := gc.Record(ctx, s.cfg.Content)
	if err != nil {
		return image.Image{}, err
	}
	img, err := s.imported(ctx, r, opts, lease)
	if err != nil {
		return image.Image{}, errors.Join(fmt.Errorf("importing: %w", err), s.sweep(ctx, lease))
	}
	told.Tell(s.cfg.Root, events.Import, img.ID.String(), img.ID.String(), opts.Config.Labels)
	return img, lease.Release()
}

func (s *Store) imported(
	ctx context.Context, r io.Reader, opts ImportOptions, lease content.Lease,
) (image.Image, error) {
	plain, err := compress.NewReader(ctx, r, compress.Limits{})
	if err != nil {
		return image.Image{}, err
	}
	defer plain.Close()
	checked := tarball.CheckNames(plain)
	layer, err := diff.FromTar(ctx, content.Holding(s.cfg.Content, lease), checked, diff.Options{})
	if found := checked.End(); err == nil {
		err = found
	}
	if err != nil {
		return image.Image{}, err
	}
	now := s.cfg.Now().UTC()
	config := ocispec.Image{
		Created: &now, Platform: s.platform(opts.Platform), Config: opts.Config.ImageConfig,
		RootFS:  ocispec.RootFS{Type: "layers", DiffIDs: diffIDs([]layers.Layer{layer.Layer})},
		History: []ocispec.History{{Created: &now, Comment: opts.Message}},
	}
	raw, err := opts.Config.Of(config)
	if err != nil {
		return image.Image{}, err
	}
	img := image.Image{Layers: []layers.Layer{layer.Layer}}
	if err := s.Unpack(ctx, img, lease, nil); err != nil {
		return image.Image{}, err
	}
	return s.Create(ctx, opts.Name, raw, img.Layers, lease)
}
