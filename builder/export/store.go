package export

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// Store exports into a content store, where the layers are already.
type Store struct {
	Content     content.Ingester
	Annotations Annotations
	// Attest stores attestations of the images too, which takes an index. Names are
	// what the statements call the images.
	Attest Documents
	Names  []string
	// Types are the media types; nil are OCITypes.
	Types *MediaTypes
}

// types are the media types of the image.
func (s Store) types() MediaTypes {
	if s.Types == nil {
		return OCITypes
	}
	return *s.Types
}

// Name implements Exporter.
func (Store) Name() string { return "exporting to image" }

// Needs implements Exporter.
func (Store) Needs() Needs { return Needs{Blobs: true} }

// Export stores configs and manifests, and the index of several.
func (s Store) Export(ctx context.Context, b Build) (Exported, error) {
	w, types := writer{to: s.Content, hold: b.Hold}, s.types()
	if !types.annotated && len(s.Annotations) > 0 {
		return Exported{}, errdefs.Errorf(errdefs.ErrUnsupported,
			"annotation %s: docker's media types have no annotations", s.Annotations[0].Key)
	}
	alone := len(b.Images) == 1 && !s.attested(b)
	if alone {
		if err := s.Annotations.checkSingle(); err != nil {
			return Exported{}, err
		}
	}
	var out Exported
	for _, img := range b.Images {
		made, err := s.image(ctx, w, img)
		if err != nil {
			return Exported{}, err
		}
		out.Images = append(out.Images, made)
	}
	if len(out.Images) == 1 {
		out.Config = out.Images[0].Config.Digest
	}
	if alone {
		out.Target = out.Images[0].Manifest
		return out, nil
	}
	if err := s.attestAll(ctx, w, b, &out); err != nil {
		return Exported{}, err
	}
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: types.index,
		Annotations: s.Annotations.of(Index, ocispec.Platform{}),
	}
	for _, img := range out.Images {
		desc := img.Manifest
		desc.Annotations = s.Annotations.of(ManifestDescriptor, *desc.Platform)
		index.Manifests = append(index.Manifests, desc)
	}
	for _, a := range out.Attestations {
		index.Manifests = append(index.Manifests, a.Manifest)
	}
	var err error
	out.Target, err = w.write(ctx, types.index, index)
	return out, err
}

// attestAll stores the attestations of every image.
func (s Store) attestAll(ctx context.Context, w writer, b Build, out *Exported) error {
	if !s.attested(b) {
		return nil
	}
	for i, img := range b.Images {
		chosen := s.Attest.of(img)
		if len(chosen) == 0 {
			continue
		}
		about := Subject{Names: s.Names, Manifest: out.Images[i].Manifest, Created: *img.config().Created}
		manifest, blobs, err := s.attest(ctx, w, about, chosen)
		if err != nil {
			return err
		}
		out.Attestations = append(out.Attestations, ExportedAttestation{Manifest: manifest, Blobs: blobs})
	}
	return nil
}

// image stores the config and manifest of one image.
func (s Store) image(ctx context.Context, w writer, img Image) (ExportedImage, error) {
	config, types := img.config(), s.types()
	cdesc, err := w.write(ctx, types.config, config)
	if err != nil {
		return ExportedImage{}, err
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: types.manifest,
		Config: cdesc, Layers: []ocispec.Descriptor{}, Annotations: s.Annotations.of(Manifest, config.Platform),
	}
	for _, l := range img.Layers {
		m.Layers = append(m.Layers, types.of(l.Blob))
	}
	mdesc, err := w.write(ctx, types.manifest, m)
	if err != nil {
		return ExportedImage{}, err
	}
	mdesc.Platform = &ocispec.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	return ExportedImage{Manifest: mdesc, Config: cdesc, Layers: m.Layers}, nil
}

// writer stores JSON documents.
type writer struct {
	to   content.Ingester
	hold func(ctx context.Context, digests ...digest.Digest) error
}

// write stores the JSON of v.
func (w writer) write(ctx context.Context, mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "image: %w", err)
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := w.hold(ctx, desc.Digest); err != nil {
		return desc, err
	}
	// A build in which nothing changed makes the documents of the one before, which are on disk.
	if there, ok := w.to.(content.Provider); ok && content.Same(ctx, there, desc, data) {
		return desc, nil
	}
	return desc, content.WriteBlob(ctx, w.to, desc, bytes.NewReader(data))
}
