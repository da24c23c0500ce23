package export

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/provenance"
)

// Attestation is a document about an image: the predicate of an in-toto statement.
type Attestation struct {
	// Type is the predicate's, as https://slsa.dev/provenance/v1.
	Type      string
	Predicate json.RawMessage
	// About makes the predicate of one that says which image it is about; Predicate is
	// not used then.
	About func(Subject) (json.RawMessage, error)
	// InlineOnly leaves it out where no image is made.
	InlineOnly bool
}

// Subject is the image that an attestation is about.
type Subject struct {
	Names    []string // that it is given, which may be none
	Manifest ocispec.Descriptor
	Created  time.Time
}

// predicate is that of an attestation, about one image.
func (a Attestation) predicate(about Subject) (json.RawMessage, error) {
	if a.About == nil {
		return a.Predicate, nil
	}
	return a.About(about)
}

// Documents choose the attestations that are stored.
type Documents int

const (
	// NoDocuments are none, Asked those that somebody asked for, AllDocuments also those
	// that are for images that others get.
	NoDocuments Documents = iota
	Asked
	AllDocuments
)

// of are those of an image that are stored.
func (d Documents) of(img Image) (chosen []Attestation) {
	for _, a := range img.Attestations {
		if d == AllDocuments || d == Asked && !a.InlineOnly {
			chosen = append(chosen, a)
		}
	}
	return chosen
}

// How attestations stand in an index, by BuildKit's docs/attestations/attestation-storage.md:
// a manifest for each image, whose layers are the statements, for the platform
// unknown/unknown, so that whoever looks for an image passes by.
const (
	mediaTypeInToto = "application/vnd.in-toto+json"
	statementType   = "https://in-toto.io/Statement/v1"

	predicateTypeKey   = "in-toto.io/predicate-type"
	referenceTypeKey   = "vnd.docker.reference.type"
	referenceDigestKey = "vnd.docker.reference.digest"
	attestationType    = "attestation-manifest"
)

// statement is an in-toto statement
// (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
type statement struct {
	Type          string          `json:"_type"`
	PredicateType string          `json:"predicateType"`
	Subject       []subject       `json:"subject"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// unknown is the platform of what is no image.
func unknown() *ocispec.Platform { return &ocispec.Platform{OS: "unknown", Architecture: "unknown"} }

// attest stores the attestations of an image, and returns their manifest and the blobs
// of that.
func (s Store) attest(
	ctx context.Context, w writer, about Subject, all []Attestation,
) (manifest ocispec.Descriptor, blobs []ocispec.Descriptor, err error) {
	config := ocispec.Image{Platform: *unknown(), RootFS: ocispec.RootFS{Type: "layers"}}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, a := range all {
		predicate, err := a.predicate(about)
		if err != nil {
			return manifest, nil, err
		}
		st := statement{
			Type: statementType, PredicateType: a.Type, Subject: s.subjects(about.Manifest), Predicate: predicate,
		}
		desc, err := w.write(ctx, mediaTypeInToto, st)
		if err != nil {
			return manifest, nil, err
		}
		desc.Annotations = map[string]string{predicateTypeKey: a.Type}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, desc.Digest)
		m.Layers = append(m.Layers, desc)
	}
	if m.Config, err = w.write(ctx, ocispec.MediaTypeImageConfig, config); err != nil {
		return manifest, nil, err
	}
	if manifest, err = w.write(ctx, ocispec.MediaTypeImageManifest, m); err != nil {
		return manifest, nil, err
	}
	manifest.Platform = unknown()
	manifest.Annotations = map[string]string{
		referenceTypeKey: attestationType, referenceDigestKey: about.Manifest.Digest.String(),
	}
	return manifest, append([]ocispec.Descriptor{m.Config}, m.Layers...), nil
}

// nameless is the subject's name of an image that is given none (in-toto/attestation,
// spec/v1/statement.md: a statement without a subject is about nothing).
const nameless = "_"

// subjects are what a statement is about: the image by each of its names.
func (s Store) subjects(about ocispec.Descriptor) []subject {
	sums := map[string]string{about.Digest.Algorithm().String(): about.Digest.Encoded()}
	out := []subject{}
	for _, name := range s.Names {
		if known, ok := provenance.PackageURL("docker", name, *about.Platform); ok {
			out = append(out, subject{Name: known, Digest: sums})
		}
	}
	if len(out) == 0 {
		out = append(out, subject{Name: nameless, Digest: sums})
	}
	return out
}

// attested says whether the images of a build become an index for their attestations.
func (s Store) attested(b Build) bool {
	for _, img := range b.Images {
		if len(s.Attest.of(img)) > 0 {
			return true
		}
	}
	return false
}

// Blobs are all that an export stored, each once: what an archive of it holds.
func (e Exported) Blobs() (all []ocispec.Descriptor) {
	seen := map[digest.Digest]bool{}
	add := func(descs ...ocispec.Descriptor) {
		for _, d := range descs {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				all = append(all, d)
			}
		}
	}
	add(e.Target)
	for _, img := range e.Images {
		add(img.Manifest, img.Config)
		add(img.Layers...)
	}
	for _, a := range e.Attestations {
		add(a.Manifest)
		add(a.Blobs...)
	}
	return all
}
