// Package manifest reads image manifests and indexes, and says what they refer
// to.
//
// It is strict where two readers could understand one document differently:
// both layers and manifests, a media type that contradicts the request's, or a
// key given twice are refused, because the digest vouches for the bytes and
// not for what they mean. Bodies are kept as they are; nothing here writes
// them anew.
package manifest

import (
	"encoding/json"
	"mime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/reference"
)

// The media types that this package reads beside the OCI ones.
const (
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	// ArtifactManifest was in the image specification's release candidates;
	// artifacts of that time still have it.
	ArtifactManifest = "application/vnd.oci.artifact.manifest.v1+json"

	dockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// Accept lists the media types to ask a registry for, best first.
func Accept() []string {
	return []string{
		ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
		DockerManifest, DockerManifestList, ArtifactManifest,
	}
}

// Manifest is a manifest or an index, taken apart.
type Manifest struct {
	MediaType string
	// ArtifactType is what a referrers list shows: the document's own, or else
	// the media type of an image's config.
	ArtifactType string
	Annotations  map[string]string
	// Config is nil for an index and for an artifact manifest.
	Config *ocispec.Descriptor
	// Layers of an image, or blobs of an artifact, in order.
	Layers []ocispec.Descriptor
	// Manifests of an index, in order.
	Manifests []ocispec.Descriptor
	Subject   *ocispec.Descriptor
}

// IsIndex says that desc or Manifest of this type lists manifests.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == DockerManifestList
}

// IsManifest says that a descriptor of this type is a manifest or index, as
// opposed to a blob.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || mediaType == ocispec.MediaTypeImageManifest || mediaType == DockerManifest ||
		mediaType == ArtifactManifest
}

// Blobs lists what a registry must hold before it takes the manifest: config
// and layers, each digest once. Layers that may not be redistributed and have
// a URL of their own are left out.
func (m *Manifest) Blobs() []ocispec.Descriptor {
	var out []ocispec.Descriptor
	seen := make(map[digest.Digest]bool, len(m.Layers)+1)
	add := func(d ocispec.Descriptor) {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			out = append(out, d)
		}
	}
	if m.Config != nil {
		add(*m.Config)
	}
	for _, d := range m.Layers {
		if !foreign(d) {
			add(d)
		}
	}
	return out
}

// Need is something that a manifest refers to, and whether as a manifest.
type Need struct {
	ocispec.Descriptor
	Child bool
}

// Needs lists all that a registry must hold before it takes the manifest, as
// often as it is named: what [Manifest.Blobs] lists, and the children of an index.
func (m *Manifest) Needs() (needs []Need) {
	if m.Config != nil {
		needs = append(needs, Need{Descriptor: *m.Config})
	}
	for _, d := range m.Layers {
		if !foreign(d) {
			needs = append(needs, Need{Descriptor: d})
		}
	}
	for _, d := range m.Manifests {
		// BuildKit's cache is an index whose children are layers.
		needs = append(needs, Need{Descriptor: d, Child: IsManifest(d.MediaType)})
	}
	return needs
}

// Mentions lists what the manifest describes and a registry need not hold: its
// subject, and layers that are fetched from elsewhere.
func (m *Manifest) Mentions() (out []ocispec.Descriptor) {
	if m.Subject != nil {
		out = append(out, *m.Subject)
	}
	for _, d := range m.Layers {
		if foreign(d) {
			out = append(out, d)
		}
	}
	return out
}

// foreign layers are fetched from their URLs (image-spec, "Non-Distributable
// Layers").
func foreign(d ocispec.Descriptor) bool {
	return len(d.URLs) > 0 && (strings.Contains(d.MediaType, "nondistributable") ||
		strings.Contains(d.MediaType, ".foreign."))
}

// document is the union of all that is read, to see at once what a document
// should not have.
type document struct {
	SchemaVersion int                 `json:"schemaVersion"`
	MediaType     string              `json:"mediaType"`
	ArtifactType  string              `json:"artifactType"`
	Config        *ocispec.Descriptor `json:"config"`
	Layers        list                `json:"layers"`
	Manifests     list                `json:"manifests"`
	Blobs         list                `json:"blobs"`
	FSLayers      json.RawMessage     `json:"fsLayers"` // schema 1
	Subject       *ocispec.Descriptor `json:"subject"`
	Annotations   map[string]string   `json:"annotations"`
}

// list is a list of descriptors that may be there: Go programs write an empty
// one as null.
type list struct {
	there bool
	descs []ocispec.Descriptor
}

func (l *list) UnmarshalJSON(b []byte) error {
	l.there = true
	return json.Unmarshal(b, &l.descs)
}

// Parse reads body, which came with that Content-Type ("" when there was
// none). Errors are errdefs.ErrInvalid.
func Parse(contentType string, body []byte) (*Manifest, error) {
	return ParseWithin(0, contentType, body)
}

// ParseWithin is Parse for one who takes no document whose objects lie in each other
// deeper than that. 0, and what is more than Parse reads, is what Parse reads.
func ParseWithin(depth int, contentType string, body []byte) (*Manifest, error) {
	if depth == 0 {
		depth = maxDepth
	}
	if err := bounded(body, min(depth, maxDepth)); err != nil {
		return nil, err
	}
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, invalid("not JSON as a manifest has it: %v", err)
	}
	if err := uniqueKeys(body); err != nil {
		return nil, err
	}
	mediaType, err := doc.mediaType(contentType)
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		MediaType: mediaType, ArtifactType: doc.ArtifactType, Annotations: doc.Annotations,
		Config: doc.Config, Subject: doc.Subject,
	}
	if err := doc.shape(mediaType); err != nil {
		return nil, err
	}
	switch {
	case IsIndex(mediaType):
		m.Manifests = doc.Manifests.descs
	case mediaType == ArtifactManifest:
		m.Layers = doc.Blobs.descs
	default:
		m.Layers = doc.Layers.descs
		if m.ArtifactType == "" {
			m.ArtifactType = doc.Config.MediaType
		}
	}
	return m, m.check()
}

// mediaType settles the type between the header and the document. Both may be
// silent (image-spec leaves mediaType optional): then the shape tells.
func (doc *document) mediaType(contentType string) (string, error) {
	header := contentType
	if contentType != "" {
		if t, _, err := mime.ParseMediaType(contentType); err == nil {
			header = t
		}
	}
	if header == dockerSchema1 || header == dockerSchema1Signed || doc.SchemaVersion == 1 || doc.FSLayers != nil {
		return "", invalid("docker's image manifest schema 1 is not accepted; push the image again with a client from after 2017")
	}
	// Curl's and some clients' idea of no type at all.
	if header == "application/json" || header == "application/octet-stream" ||
		header == "application/x-www-form-urlencoded" {
		header = ""
	}
	switch {
	case header != "" && doc.MediaType != "" && header != doc.MediaType:
		return "", invalid("Content-Type is %q and the document's mediaType %q", header, doc.MediaType)
	case header != "":
		return header, nil
	case doc.MediaType != "":
		return doc.MediaType, nil
	case doc.Manifests.there:
		return ocispec.MediaTypeImageIndex, nil
	default:
		return ocispec.MediaTypeImageManifest, nil
	}
}

// shape holds the fields that are there against those the type has.
func (doc *document) shape(mediaType string) error {
	image := doc.Config != nil || doc.Layers.there
	switch {
	case !IsManifest(mediaType):
		return invalid("media type %q is no manifest that is known here", mediaType)
	case mediaType != ArtifactManifest && doc.SchemaVersion != 2:
		return invalid("schemaVersion is %d, not 2", doc.SchemaVersion)
	case IsIndex(mediaType) && !doc.Manifests.there:
		return invalid("an index without manifests")
	case IsIndex(mediaType) && (image || doc.Blobs.there):
		return invalid("both an index's manifests and an image's config, layers or blobs")
	case !IsIndex(mediaType) && doc.Manifests.there:
		return invalid("both an image's type and an index's manifests")
	case mediaType == ArtifactManifest && image:
		return invalid("both an artifact's type and an image's config or layers")
	case mediaType == ArtifactManifest, IsIndex(mediaType):
		return nil
	case doc.Config == nil:
		return invalid("an image without config")
	case !doc.Layers.there:
		return invalid("an image without layers")
	case doc.Blobs.there:
		return invalid("both an image's layers and an artifact's blobs")
	}
	return nil
}

func (m *Manifest) check() error {
	if m.Config != nil {
		if err := checkDescriptor("config", *m.Config); err != nil {
			return err
		}
	}
	if m.Subject != nil {
		if err := checkDescriptor("subject", *m.Subject); err != nil {
			return err
		}
	}
	for _, d := range m.Layers {
		if err := checkDescriptor("layer", d); err != nil {
			return err
		}
	}
	for _, d := range m.Manifests {
		if err := checkDescriptor("manifest", d); err != nil {
			return err
		}
	}
	return nil
}

func checkDescriptor(what string, d ocispec.Descriptor) error {
	if _, err := reference.ParseDigest(d.Digest.String()); err != nil {
		return invalid("%s: %v", what, err)
	}
	if d.Size < 0 {
		return invalid("%s %s: size is %d", what, d.Digest, d.Size)
	}
	// 0 would read as "not known" further on, and nothing bound what is sent.
	if d.Size == 0 && d.Digest != d.Digest.Algorithm().FromBytes(nil) {
		return invalid("%s %s: size is 0, and the digest is not that of nothing", what, d.Digest)
	}
	if d.MediaType == "" {
		return invalid("%s %s: no mediaType", what, d.Digest)
	}
	// Embedded data is read by some clients in place of the blob.
	if len(d.Data) > 0 && (int64(len(d.Data)) != d.Size || d.Digest.Algorithm().FromBytes(d.Data) != d.Digest) {
		return invalid("%s %s: embedded data is not what the digest names", what, d.Digest)
	}
	return nil
}

func invalid(format string, args ...any) error {
	e := errcode.New(400, errcode.ManifestInvalid, "")
	e.Err = errdefs.Errorf(errdefs.ErrInvalid, "manifest: "+format, args...)
	e.Message = e.Err.Error()
	return e
}
