// Package parse reads what a manifest says into what the registry's database keeps of
// it.
package parse

import (
	"slices"

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
	for _, d := range doc.Mentions() {
		if err := need(&out.Mentions, d); err != nil {
			return metadata.Manifest{}, err
		}
	}
	if doc.Subject != nil {
		out.Subject = doc.Subject.Digest
	}
	return out, nil
}

// Complete checks that the repository has all that m needs, and has it as m says:
// what is missing is a distribution.MissingError, so that the client pushes it,
// and what is other than described errdefs.ErrInvalid.
func Complete(m metadata.Manifest, held map[digest.Digest]metadata.Holding) error {
	var missing []digest.Digest
	for _, d := range m.Blobs {
		switch h := held[d.Digest]; {
		case !h.Blob:
			missing = append(missing, d.Digest)
		case h.Size != d.Size:
			return errdefs.Errorf(errdefs.ErrInvalid, "blob %s has %d bytes, the manifest says %d", d.Digest, h.Size,
				d.Size)
		}
	}
	for _, d := range m.Children {
		switch h := held[d.Digest]; {
		case h.MediaType == "":
			missing = append(missing, d.Digest)
		case h.Size != d.Size:
			return errdefs.Errorf(errdefs.ErrInvalid, "manifest %s has %d bytes, the index says %d", d.Digest, h.Size,
				d.Size)
		case h.MediaType != d.MediaType:
			return errdefs.Errorf(errdefs.ErrInvalid, "manifest %s is of type %s, the index says %s", d.Digest,
				h.MediaType, d.MediaType)
		}
	}
	for _, d := range m.Mentions {
		if h := held[d.Digest]; (h.Blob || h.MediaType != "") && h.Size != d.Size {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s has %d bytes, the manifest says %d", d.Digest, h.Size, d.Size)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return errdefs.Errorf(errdefs.ErrNotFound, "%w", &distribution.MissingError{Digests: slices.Compact(missing)})
}
