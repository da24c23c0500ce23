// Package image is one local image: its manifest and config, read from the blobs that are
// here, and the names that stand for it.
package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/images/names"
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

// MadeFrom reports whether the image is another one with more steps on it, as far as
// layers and history tell.
func (i *Image) MadeFrom(of *Image) bool {
	ids, base := i.Config.RootFS.DiffIDs, of.Config.RootFS.DiffIDs
	steps, first := i.Config.History, of.Config.History
	return len(first) > 0 && len(steps) > len(first) && len(ids) >= len(base) &&
		slices.Equal(ids[:len(base)], base) &&
		slices.EqualFunc(steps[:len(first)], first, func(a, b ocispec.History) bool {
			return a.CreatedBy == b.CreatedBy && a.EmptyLayer == b.EmptyLayer
		})
}

// Platform is the config's.
func (i *Image) Platform() ocispec.Platform { return i.Config.Platform }

// Parse reads a manifest or index that desc describes.
func Parse(desc ocispec.Descriptor, body []byte) (*manifest.Manifest, error) {
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

// Take makes m, which desc describes, the image's manifest.
func (i *Image) Take(desc ocispec.Descriptor, m *manifest.Manifest) {
	i.Descriptor = desc
	i.Manifest = ocispec.Manifest{
		MediaType: m.MediaType, Config: *m.Config, Layers: m.Layers,
		Annotations: m.Annotations, Subject: m.Subject,
	}
	i.Manifest.SchemaVersion = 2
}

// ParseConfig reads a config and matches its diffIDs with the manifest's
// layers.
func (i *Image) ParseConfig(raw []byte) error {
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

// AddNames puts what the records of names say of an image into it.
func (i *Image) AddNames(all []names.Record) error {
	for _, r := range all {
		if r.Image == i.ID {
			if err := i.addName(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// CalledBy is the name that an image was asked for by, whole, or none where that was
// an id.
func (i *Image) CalledBy(asked string) []string {
	ref, err := reference.Parse(asked)
	if err != nil || !slices.Contains(i.Names, ref) {
		return nil
	}
	return []string{ref.String()}
}

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
