// Package export writes a solved build as an image: config, manifest, history.
//
// What it writes depends on the plan and the layers alone. Times in the history
// are those at which the layers were made, or the build's epoch; an image whose
// every step was known has the id that it had before.
package export

import (
	"context"
	"encoding/json"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/content"
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
	Now time.Time
	// Cache is the build cache of the image's own layers, as JSON, for its config;
	// nil leaves it out.
	Cache json.RawMessage
	// Open shows the files of the image, for an exporter that needs them.
	Open func(ctx context.Context) (Files, error)
	// Attestations are documents about the image, for an exporter that stores them.
	Attestations []Attestation
}

// Files are the root filesystem of an image. Close them.
type Files interface {
	// Dir is the path of the directory, which means something to this process
	// alone; "" is an empty one.
	Dir() string
	Close() error
}

// Build is a solved build.
type Build struct {
	// Images are one for each platform; several become an index.
	Images []Image
	// Hold leases blobs before they are written.
	Hold func(ctx context.Context, digests ...digest.Digest) error
	// Rest opens layers that only a cache elsewhere or a base's registry has.
	Rest Rest
	// Log tells a line of what the export does; it may be nil.
	Log func(text string)
}

// Needs is what an exporter reads of a build: files as snapshots, layers as blobs. Layers
// that are Anywhere need not be in the content store: Build.Rest has them.
type Needs struct{ Files, Blobs, Anywhere bool }

// Rest is the layers of a build, also those that are not in the content store.
type Rest interface {
	content.Provider
	// Bring has them all in the content store.
	Bring(ctx context.Context) error
}

// Exporter puts a solved build where it is wanted.
type Exporter interface {
	// Name is what it does, for the build's progress: "exporting to image".
	Name() string
	Needs() Needs
	Export(ctx context.Context, b Build) (Exported, error)
}

// Nothing exports nothing: what the steps made is in the cache.
type Nothing struct{}

// Name implements Exporter.
func (Nothing) Name() string { return "keeping the build in the cache alone" }

// Needs implements Exporter.
func (Nothing) Needs() Needs { return Needs{} }

// Export implements Exporter.
func (Nothing) Export(context.Context, Build) (Exported, error) { return Exported{}, nil }

// Exported is where a build can be found.
type Exported struct {
	// Target describes the image's manifest, or the index of several; it is zero
	// where files alone were written.
	Target ocispec.Descriptor
	// Config is the digest of the image's config, the image's id in docker's
	// words; it is empty for an index.
	Config digest.Digest
	// Names are those that the image was given there.
	Names []string
	// Images are the images of an index, or the one that Target is.
	Images []ExportedImage
	// Attestations are of an index.
	Attestations []ExportedAttestation
}

// ExportedAttestation is the manifest about one image, and the blobs that it has.
type ExportedAttestation struct {
	Manifest ocispec.Descriptor
	Blobs    []ocispec.Descriptor
}

// ExportedImage is one image of those that were exported.
type ExportedImage struct {
	Manifest, Config ocispec.Descriptor
	Layers           []ocispec.Descriptor
}

// config is an image's config, with the cache that it may carry.
type config struct {
	dockerspec.DockerOCIImage
	Cache json.RawMessage `json:"cove.buildcache.v1,omitempty"` // remotecache.InlineField
}

// config makes the image's config.
func (img Image) config() config {
	c := config{DockerOCIImage: dockerspec.DockerOCIImage{Config: img.Config}, Cache: img.Cache}
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
