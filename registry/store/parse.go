package store

import (
	"cove/distribution"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/registry/metadata"
)

// parseManifest reads what a manifest needs. Its digest is checked here
// because bytes that are stored already are not written again.
func parseManifest(m distribution.Manifest) (metadata.Manifest, error) {
	desc := m.Descriptor
	if err := desc.Digest.Validate(); err != nil {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "manifest: digest %q: %w", desc.Digest, err)
	}
	if got := desc.Digest.Algorithm().FromBytes(m.Body); got != desc.Digest {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrCorrupt, "manifest: its digest is %s, not %s", got, desc.Digest)
	}
	doc, err := manifest.Parse(desc.MediaType, m.Body)
	if err != nil {
		return metadata.Manifest{}, err
	}
	desc.MediaType, desc.Size = doc.MediaType, int64(len(m.Body))
	desc.ArtifactType, desc.Annotations = doc.ArtifactType, doc.Annotations
	out := metadata.Manifest{Descriptor: desc}
	for _, d := range doc.Blobs() {
		out.Blobs = append(out.Blobs, d.Digest)
	}
	for _, d := range doc.Manifests {
		// BuildKit's cache is an index whose children are layers.
		if manifest.IsManifest(d.MediaType) {
			out.Children = append(out.Children, d.Digest)
		} else {
			out.Blobs = append(out.Blobs, d.Digest)
		}
	}
	if doc.Subject != nil {
		out.Subject = doc.Subject.Digest
	}
	return out, nil
}
