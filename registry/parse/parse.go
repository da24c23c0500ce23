// Package parse reads what a manifest says into what the registry's database keeps of
// it.
package parse

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/registry/metadata"
)

// Manifest reads what a manifest needs. Its digest is checked here
// because bytes that are stored already are not written again.
func Manifest(m distribution.Manifest) (metadata.Manifest, error) {
	desc := m.Descriptor
	if err := desc.Digest.Validate(); err != nil {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "manifest: digest %q: %w", desc.Digest, err)
	}
	if got := desc.Digest.Algorithm().FromBytes(m.Body); got != desc.Digest {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrCorrupt, "manifest: its digest is %s, not %s", got,
			desc.Digest)
	}
	doc, err := manifest.Parse(desc.MediaType, m.Body)
	if err != nil {
		return metadata.Manifest{}, err
	}
	desc.MediaType, desc.Size = doc.MediaType, int64(len(m.Body))
	desc.ArtifactType, desc.Annotations = doc.ArtifactType, doc.Annotations
	out := metadata.Manifest{Descriptor: desc}
	sizes := map[digest.Digest]int64{}
	need := func(list *[]ocispec.Descriptor, d ocispec.Descriptor) error {
		size, again := sizes[d.Digest]
		switch {
		case again && size != d.Size:
			return errdefs.Errorf(errdefs.ErrInvalid, "manifest: it says that %s has %d bytes, and that it has %d",
				d.Digest, size, d.Size)
		case !again:
			sizes[d.Digest] = d.Size
			*list = append(*list, d)
		}
		return nil
	}
	for _, d := range doc.Needs() {
		list := &out.Blobs
		if d.Child {
			list = &out.Children
		}
		if err := need(list, d.Descriptor); err != nil {
			return metadata.Manifest{}, err
		}
	}
	if doc.Subject != nil {
		out.Subject = doc.Subject.Digest
	}
	return out, nil
}
