// Package export writes a solved build as an image: config, manifest, history.
//
// What it writes depends on the plan and the layers alone. Times in the history
// are those at which the layers were made, or the build's epoch; an image whose
// every step was known has the id that it had before.
package export

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
)

// Image is what to write.
type Image struct {
	plan.Image
	// Layers are all of the image's, lowest first.
	Layers []layers.Layer
	// Made tells for a vertex of the history whether it made a layer, and when.
	Made func(plan.ID) (layer bool, created time.Time)
	// Epoch, if set, is the time of everything that this build adds.
	Epoch *time.Time
	// Now is the time of an image that has no layer and no history.
	Now         time.Time
	Annotations map[string]string
}

// Exported is where an image can be found.
type Exported struct {
	// Manifest describes the image's manifest, Config is the digest of its
	// config, the image's id in docker's words.
	Manifest ocispec.Descriptor
	Config   digest.Digest
}

// Exporter puts a solved build where it is wanted.
type Exporter interface {
	Export(ctx context.Context, img Image) (Exported, error)
}

// Store exports into a content store, where the layers are already.
type Store struct {
	Content content.Ingester
	// Hold leases a blob before it is written.
	Hold func(ctx context.Context, dgst digest.Digest) error
}

// Export stores config and manifest.
func (s Store) Export(ctx context.Context, img Image) (Exported, error) {
	config := img.config()
	cdesc, err := s.write(ctx, ocispec.MediaTypeImageConfig, config)
	if err != nil {
		return Exported{}, err
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: cdesc, Layers: []ocispec.Descriptor{}, Annotations: img.Annotations,
	}
	for _, l := range img.Layers {
		m.Layers = append(m.Layers, ociDescriptor(l.Blob))
	}
	mdesc, err := s.write(ctx, ocispec.MediaTypeImageManifest, m)
	if err != nil {
		return Exported{}, err
	}
	mdesc.Platform = &ocispec.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	return Exported{Manifest: mdesc, Config: cdesc.Digest}, nil
}

// config makes the image's config.
func (img Image) config() dockerspec.DockerOCIImage {
	c := dockerspec.DockerOCIImage{Config: img.Config}
	c.Platform, c.Author = img.Platform, img.Author
	if c.OS == "" {
		c.OS = "linux"
	}
	c.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range img.Layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.Digest(l.DiffID))
	}
	last := img.baseTime()
	for _, h := range img.History {
		if !h.Base {
			h.EmptyLayer = true
			if h.Vertex != plan.None {
				layer, created := img.Made(h.Vertex)
				h.EmptyLayer = !layer
				if layer {
					last = created
				}
			}
			h.Created = img.at(last)
		}
		c.History = append(c.History, h.History)
	}
	c.Created = img.at(last)
	return c
}

// baseTime is the time before the first line that is not the base's.
func (img Image) baseTime() time.Time {
	if img.Base.Config.Created != nil {
		return *img.Base.Config.Created
	}
	for _, h := range img.History {
		if h.Vertex != plan.None {
			if layer, created := img.Made(h.Vertex); layer {
				return created
			}
		}
	}
	return img.Now.UTC().Truncate(time.Second)
}

func (img Image) at(t time.Time) *time.Time {
	if img.Epoch != nil {
		t = *img.Epoch
	}
	t = t.UTC()
	return &t
}

// ociDescriptor gives a layer of a docker image the media type that it has in
// an OCI manifest; the bytes are the same.
func ociDescriptor(d ocispec.Descriptor) ocispec.Descriptor {
	switch d.MediaType {
	case "application/vnd.docker.image.rootfs.diff.tar.gzip":
		d.MediaType = ocispec.MediaTypeImageLayerGzip
	case "application/vnd.docker.image.rootfs.diff.tar":
		d.MediaType = ocispec.MediaTypeImageLayer
	case "application/vnd.docker.image.rootfs.diff.tar.zstd":
		d.MediaType = ocispec.MediaTypeImageLayerZstd
	}
	return d
}

// write stores the JSON of v.
func (s Store) write(ctx context.Context, mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "image: %w", err)
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := s.Hold(ctx, desc.Digest); err != nil {
		return desc, err
	}
	return desc, content.WriteBlob(ctx, s.Content, desc, bytes.NewReader(data))
}
