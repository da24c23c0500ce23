package registry

import (
	"encoding/json"
	"mime"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
)

// The media types that docker gave to what OCI later named.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerForeign  = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// foreign are layers that a client fetches from their URLs; a registry need
// not hold them.
var foreign = map[string]bool{
	dockerForeign: true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar":      true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": true,
}

// document is the union of every manifest kind, to see which one it is.
type document struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	ArtifactType  string               `json:"artifactType"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
	Subject       *ocispec.Descriptor  `json:"subject"`
	Annotations   map[string]string    `json:"annotations"`
	FSLayers      json.RawMessage      `json:"fsLayers"` // schema 1
}

// parseManifest reads what a manifest needs. A document that could be read as
// two kinds is refused: two clients would disagree about the same digest
// (CVE-2021-41190).
func parseManifest(m distribution.Manifest) (metadata.Manifest, error) {
	refuse := func(format string, args ...any) (metadata.Manifest, error) {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "manifest: "+format, args...)
	}
	desc := m.Descriptor
	if err := desc.Digest.Validate(); err != nil {
		return refuse("digest %q: %w", desc.Digest, err)
	}
	if got := desc.Digest.Algorithm().FromBytes(m.Body); got != desc.Digest {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrCorrupt, "manifest: its digest is %s, not %s", got, desc.Digest)
	}
	desc.Size = int64(len(m.Body))
	var doc document
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return refuse("%w", err)
	}
	if kind, _, err := mime.ParseMediaType(desc.MediaType); err == nil {
		desc.MediaType = kind
	}
	switch {
	case doc.SchemaVersion == 1 || doc.FSLayers != nil:
		return refuse("docker's schema 1 is not stored; push with a client of this decade")
	case doc.SchemaVersion != 2:
		return refuse("schemaVersion is %d, want 2", doc.SchemaVersion)
	case doc.MediaType != "" && doc.MediaType != desc.MediaType:
		return refuse("it says it is %q and was sent as %q", doc.MediaType, desc.MediaType)
	}
	switch desc.MediaType {
	case ocispec.MediaTypeImageManifest, dockerManifest:
		return imageManifest(desc, doc)
	case ocispec.MediaTypeImageIndex, dockerList:
		return indexManifest(desc, doc)
	default:
		return refuse("media type %q is not known", desc.MediaType)
	}
}

func imageManifest(desc ocispec.Descriptor, doc document) (metadata.Manifest, error) {
	if doc.Manifests != nil {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "manifest: an image manifest with a list of manifests is neither")
	}
	if doc.Config == nil {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "manifest: it has no config")
	}
	out := metadata.Manifest{Descriptor: desc}
	needs := []ocispec.Descriptor{*doc.Config}
	for _, layer := range doc.Layers {
		if !foreign[layer.MediaType] || len(layer.URLs) == 0 {
			needs = append(needs, layer)
		}
	}
	var err error
	if out.Blobs, err = digests(needs); err != nil {
		return metadata.Manifest{}, err
	}
	out.Descriptor.ArtifactType = doc.ArtifactType
	if out.Descriptor.ArtifactType == "" { // distribution spec, "Listing Referrers"
		out.Descriptor.ArtifactType = doc.Config.MediaType
	}
	return withSubject(out, doc)
}

func indexManifest(desc ocispec.Descriptor, doc document) (metadata.Manifest, error) {
	if doc.Layers != nil || doc.Config != nil {
		return metadata.Manifest{}, errdefs.Errorf(errdefs.ErrInvalid, "manifest: an index with a config or layers is neither")
	}
	out := metadata.Manifest{Descriptor: desc}
	var err error
	if out.Children, err = digests(doc.Manifests); err != nil {
		return metadata.Manifest{}, err
	}
	out.Descriptor.ArtifactType = doc.ArtifactType
	return withSubject(out, doc)
}

func withSubject(m metadata.Manifest, doc document) (metadata.Manifest, error) {
	m.Descriptor.Annotations = doc.Annotations
	if doc.Subject == nil {
		return m, nil
	}
	subject, err := digests([]ocispec.Descriptor{*doc.Subject})
	if err != nil {
		return metadata.Manifest{}, err
	}
	m.Subject = subject[0]
	return m, nil
}

func digests(descs []ocispec.Descriptor) ([]digest.Digest, error) {
	var out []digest.Digest
	for _, d := range descs {
		if err := d.Digest.Validate(); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "manifest: it refers to digest %q: %w", d.Digest, err)
		}
		if d.Size < 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "manifest: the size of %s is %d", d.Digest, d.Size)
		}
		out = append(out, d.Digest)
	}
	return out, nil
}
