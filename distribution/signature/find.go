package signature

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/signature/notation"
	"cove/errdefs"
)

const (
	// MaxManifests is how many manifests with signatures of one artifact are looked at.
	MaxManifests = 200
	// MaxLayers is how many signatures of one manifest are.
	MaxLayers = 100
	// MaxBody bounds a payload, an envelope, a bundle, in bytes.
	MaxBody = 1 << 20
)

// Media and artifact types.
const (
	simpleType   = "application/vnd.dev.cosign.simplesigning.v1+json"
	artifactType = "application/vnd.dev.cosign.artifact.sig.v1+json" // cosign's, as referrers
	bundleType   = "application/vnd.dev.sigstore.bundle."            // a version follows
)

// Source is a repository in which an artifact and its signatures are. Whatever it
// returns has the digest that was asked for.
type Source interface {
	// Tagged is the manifest of a tag; errdefs.ErrNotFound without one.
	Tagged(ctx context.Context, tag string) (ocispec.Descriptor, error)
	// Referrers are the manifests whose subject is this.
	Referrers(ctx context.Context, of digest.Digest) ([]ocispec.Descriptor, error)
	// Manifest is the body of one of them.
	Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error)
	// Blob is a blob of at most MaxBody bytes; the size is the descriptor's.
	Blob(ctx context.Context, desc ocispec.Descriptor) ([]byte, error)
}

// Verify finds and verifies what signs an artifact, until a signature counts: its key is
// returned. An error that is a *Failure says why none does.
func Verify(ctx context.Context, src Source, of digest.Digest, keys []Key, now time.Time) (Verified, error) {
	found, more, err := Find(ctx, src, of)
	if err != nil {
		return Verified{}, err
	}
	var reasons []Failure
	for _, desc := range found {
		all, err := Read(ctx, src, desc)
		if err != nil {
			return Verified{}, err
		}
		for _, s := range all {
			v, err := s.Verify(of, keys, now)
			if err == nil {
				return v, nil
			}
			reasons = append(reasons, FailureOf(err))
		}
	}
	return Verified{}, Refuse(reasons, more)
}

// Refuse is the failure of an artifact none of whose signatures counts, for these
// reasons; more says that not all were looked at.
func Refuse(reasons []Failure, more bool) *Failure {
	if len(reasons) == 0 {
		return failure(Unsigned, "it is not signed")
	}
	const some = 3
	var texts []string
	for _, f := range reasons {
		if !slices.Contains(texts, f.Detail) {
			texts = append(texts, f.Detail)
		}
	}
	text := strings.Join(texts[:min(some, len(texts))], "; ")
	if more || len(texts) > some {
		text += "; and others"
	}
	return failure(reasons[len(reasons)-1].Reason, "it is signed, but no signature counts: %s", text)
}

// TagOf is the tag under which cosign keeps the signatures of an artifact.
func TagOf(of digest.Digest) string { return strings.ReplaceAll(of.String(), ":", "-") + ".sig" }

// Holder says whether manifests of this artifact type hold signatures, which must be
// pulled before any can be verified. Tagged ones of cosign's have the type of images;
// see Payloads.
func Holder(artifact string) bool {
	return artifact == artifactType || artifact == notation.ArtifactType || strings.HasPrefix(artifact, bundleType)
}

// Find lists the manifests that say they hold signatures of an artifact, those that a
// tag names first, at most MaxManifests; more says that there are others.
func Find(ctx context.Context, src Source, of digest.Digest) (found []ocispec.Descriptor, more bool, err error) {
	tagged, err := src.Tagged(ctx, TagOf(of))
	switch {
	case err == nil:
		found = append(found, tagged)
	case !errors.Is(err, errdefs.ErrNotFound):
		return nil, false, err
	}
	referrers, err := src.Referrers(ctx, of)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return nil, false, err
	}
	for _, desc := range referrers {
		if !Holder(desc.ArtifactType) {
			continue
		}
		if len(found) == MaxManifests {
			return found, true, nil
		}
		found = append(found, desc)
	}
	return found, false, nil
}

// holder is as much of a manifest as is read.
type holder struct {
	ArtifactType string               `json:"artifactType"`
	Config       ocispec.Descriptor   `json:"config"`
	Layers       []ocispec.Descriptor `json:"layers"`
}

func (h holder) kind() string {
	if h.ArtifactType != "" {
		return h.ArtifactType
	}
	return h.Config.MediaType
}

// Read reads the signatures of one manifest of Find's. What of it is wrong is a
// signature that does not verify; an error says that the source did not answer.
func Read(ctx context.Context, src Source, desc ocispec.Descriptor) ([]Signature, error) {
	body, err := src.Manifest(ctx, desc)
	if err != nil && !gone(err) {
		return nil, err
	}
	var h holder
	if err == nil {
		err = json.Unmarshal(body, &h)
	}
	if err != nil {
		why := failure(Missing, "the manifest %s cannot be read: %v", desc.Digest, err)
		return []Signature{failed(formOf(desc.ArtifactType), desc.Digest, why)}, nil
	}
	form := formOf(h.kind())
	layers := h.Layers
	if form == Cosign {
		layers = slices.DeleteFunc(slices.Clone(layers), func(l ocispec.Descriptor) bool {
			return l.MediaType != simpleType
		})
	}
	if len(layers) == 0 {
		return []Signature{broken(form, desc.Digest, "the manifest %s has no signature in it", desc.Digest)}, nil
	}
	if form != Cosign && len(layers) > 1 {
		return []Signature{broken(form, desc.Digest, "the manifest %s has %d layers, and one is the signature",
			desc.Digest, len(layers))}, nil
	}
	var all []Signature
	for i, layer := range layers {
		if i == MaxLayers {
			all = append(all, broken(form, desc.Digest, "the manifest %s has %d signatures, of which %d are looked at",
				desc.Digest, len(layers), MaxLayers))
			break
		}
		s, is, err := readLayer(ctx, src, form, desc.Digest, layer)
		if err != nil {
			return nil, err
		}
		if is {
			all = append(all, s)
		}
	}
	return all, nil
}

func formOf(kind string) Form {
	switch {
	case kind == notation.ArtifactType:
		return Notation
	case strings.HasPrefix(kind, bundleType):
		return CosignBundle
	}
	return Cosign
}

// readLayer reads one signature; false says that the layer is none.
func readLayer(
	ctx context.Context, src Source, form Form, in digest.Digest, layer ocispec.Descriptor,
) (s Signature, is bool, err error) {
	if layer.Size > MaxBody || layer.Size < 0 {
		return broken(form, in, "layer %s has %d bytes, and at most %d are read", layer.Digest, layer.Size, MaxBody),
			true, nil
	}
	body, err := src.Blob(ctx, layer)
	if gone(err) {
		return failed(form, in, failure(Missing, "layer %s cannot be read: %v", layer.Digest, err)), true, nil
	} else if err != nil {
		return Signature{}, false, err
	}
	switch form {
	case Notation:
		return notary(in, layer.MediaType, body), true, nil
	case CosignBundle:
		s, is = bundle(in, body)
		return s, is, nil
	}
	return simple(in, layer, body), true, nil
}

// gone says that the source answered, and does not have what was asked for.
func gone(err error) bool {
	return errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt) ||
		errors.Is(err, errdefs.ErrInvalid)
}

// accessories are the media types of cosign's layers: payloads, attestations and SBOMs.
// No runtime unpacks one.
var accessories = []string{
	simpleType, "application/vnd.dsse.envelope.v1+json", "application/vnd.in-toto+json", "text/spdx", "text/spdx+json",
	"spdx+json", "application/vnd.cyclonedx", "application/vnd.cyclonedx+json", "application/vnd.syft+json",
}

// images are the configurations of what runtimes run. Docker takes the last three, too,
// from before there were types.
var images = []string{
	ocispec.MediaTypeImageConfig, "application/vnd.docker.container.image.v1+json", "application/octet-stream",
	"application/json", "",
}

// Accessory says whether a manifest says something of another artifact, and nothing can
// be run of it: it has a subject and is no image, or all its layers are cosign's. A
// subject alone proves nothing: an image may have one, too.
func Accessory(body []byte) bool {
	var doc struct {
		holder
		Subject *ocispec.Descriptor `json:"subject"`
		Index   json.RawMessage     `json:"manifests"`
	}
	if json.Unmarshal(body, &doc) != nil || doc.Index != nil {
		return false
	}
	if doc.Subject != nil && !slices.Contains(images, doc.Config.MediaType) {
		return true
	}
	return len(doc.Layers) > 0 && !slices.ContainsFunc(doc.Layers, func(l ocispec.Descriptor) bool {
		return !slices.Contains(accessories, l.MediaType)
	})
}

// In is a repository of a registry as a source.
func In(r distribution.Registry, repo string) Source { return inRegistry{r, repo} }

type inRegistry struct {
	r    distribution.Registry
	repo string
}

func (s inRegistry) Tagged(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	return s.r.StatTag(ctx, s.repo, tag)
}

func (s inRegistry) Referrers(ctx context.Context, of digest.Digest) (all []ocispec.Descriptor, err error) {
	q := distribution.ReferrersQuery{Subject: of, Page: distribution.Page{N: MaxManifests}}
	for pages := 0; ; pages++ {
		page, more, err := s.r.Referrers(ctx, s.repo, q)
		if err != nil || len(page) == 0 {
			return all, err
		}
		for _, desc := range page {
			if Holder(desc.ArtifactType) {
				all = append(all, desc)
			}
		}
		const maxPages = 10
		if !more || len(all) > MaxManifests || pages == maxPages {
			return all, nil
		}
		q.Last = page[len(page)-1].Digest.String()
	}
}

func (s inRegistry) Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	m, err := s.r.GetManifest(ctx, s.repo, desc.Digest)
	return m.Body, err
}

func (s inRegistry) Blob(ctx context.Context, desc ocispec.Descriptor) (_ []byte, err error) {
	rd, err := s.r.OpenBlob(ctx, s.repo, desc.Digest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	return ReadBlob(rd, desc)
}

// ReadBlob reads a blob of at most MaxBody bytes and checks its digest.
func ReadBlob(rd content.Reader, desc ocispec.Descriptor) ([]byte, error) {
	if rd.Size() > MaxBody {
		return nil, invalid("blob %s: has %d bytes, and at most %d are read", desc.Digest, rd.Size(), MaxBody)
	}
	return ReadAll(content.NewReader(rd), desc)
}

// ReadAll is ReadBlob of a stream.
func ReadAll(rd io.Reader, desc ocispec.Descriptor) ([]byte, error) {
	return io.ReadAll(content.Verify(io.LimitReader(rd, MaxBody), desc))
}
