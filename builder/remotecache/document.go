// Package remotecache takes what a build's steps made to another machine: the
// records of a cache and the layers that they name, as an image that any registry
// and any OCI layout keeps.
//
// The image's config is the Document of all records, its layers are those that
// the records name. Nothing of it is fetched before it is needed: a build whose
// every step is known fetches the document and the layers of its image. Whoever
// imports a cache believes that a key's layer is what the key's step makes; that a
// layer's bytes are those of its digest is checked when it comes, that they are those of
// its diffID when it is unpacked.
package remotecache

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/cache"
	"cove/errdefs"
)

// mediaType is that of a Document as an image's config.
const mediaType = "application/vnd.cove.buildcache.config.v1+json"

// maxDocument bounds a document that is read.
const maxDocument = 64 << 20

// Document is what the config of a cache image says, and the field of an image's
// own config that InlineField names.
type Document struct {
	Records map[digest.Digest]cache.Record `json:"records"`
	// Mounts are the chunks of cache mounts, by their ids.
	Mounts map[string][]ocispec.Descriptor `json:"mounts,omitempty"`
}

// InlineField is where an image's config has the Document of its own layers.
const InlineField = "cove.buildcache.v1"

// check refuses records that could name no layer.
func (d Document) check() error {
	for key, r := range d.Records {
		if key.Validate() != nil || r.DiffID != "" && digest.Digest(r.DiffID).Validate() != nil ||
			r.Blob.Digest != "" && r.Blob.Digest.Validate() != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "build cache: the record %q is malformed", key)
		}
	}
	for id, descs := range d.Mounts {
		for _, desc := range descs {
			if desc.Digest.Validate() != nil || desc.Size < 0 {
				return errdefs.Errorf(errdefs.ErrInvalid, "build cache: the cache mount %q is malformed", id)
			}
		}
	}
	return nil
}

// inlineOf reads the document in an image's config; one without has no records.
func inlineOf(config []byte) (Document, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config, &fields); err != nil {
		return Document{}, errdefs.Errorf(errdefs.ErrInvalid, "image config: %w", err)
	}
	return parse(fields[InlineField])
}

func parse(body []byte) (d Document, err error) {
	if len(body) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, errdefs.Errorf(errdefs.ErrInvalid, "build cache: %w", err)
	}
	return d, d.check()
}

// blobs are the layers that the records name, in the order of keys, and the chunks of
// mounts, each once.
func (d Document) blobs(keys []digest.Digest) (all []ocispec.Descriptor) {
	seen := map[digest.Digest]bool{}
	add := func(b ocispec.Descriptor) {
		if b.Digest != "" && !seen[b.Digest] {
			seen[b.Digest] = true
			all = append(all, b)
		}
	}
	for _, key := range keys {
		add(d.Records[key].Blob)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Mounts)) {
		for _, desc := range d.Mounts[id] {
			add(desc)
		}
	}
	return all
}

// manifestOf is the manifest of a cache image, with its config.
func manifestOf(config []byte, layers []ocispec.Descriptor) ocispec.Manifest {
	if layers == nil {
		layers = []ocispec.Descriptor{}
	}
	return ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: layers,
	}
}
