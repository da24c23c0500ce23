package export

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
)

// Documented is where an index and its documents are: a registry, or a store.
type Documented interface {
	content.Provider
	Resolve(ctx context.Context, ref string) (distribution.Manifest, error)
}

// maxStatement is how large a document may be, in bytes.
const maxStatement = 64 << 20

// Predicate is the predicate whose type begins with kind of the statement that an index
// has about one of its images, and its whole type. None is errdefs.ErrNotFound.
func Predicate(
	ctx context.Context, from Documented, index ocispec.Index, image digest.Digest, kind string,
) (whole string, predicate json.RawMessage, err error) {
	for _, desc := range index.Manifests {
		about := desc.Annotations[referenceDigestKey]
		if desc.Annotations[referenceTypeKey] != attestationType || about != image.String() {
			continue
		}
		m, err := from.Resolve(ctx, desc.Digest.String())
		if err != nil {
			return "", nil, err
		}
		var manifest ocispec.Manifest
		if err := json.Unmarshal(m.Body, &manifest); err != nil {
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "attestation manifest %s: %w", desc.Digest, err)
		}
		for _, l := range manifest.Layers {
			if strings.HasPrefix(l.Annotations[predicateTypeKey], kind) {
				st, err := readStatement(ctx, from, l)
				return st.PredicateType, st.Predicate, err
			}
		}
	}
	return "", nil, errdefs.Errorf(errdefs.ErrNotFound,
		"image %s: nothing of the type %s is stored with it", image, kind)
}

// readStatement reads the statement that a layer is.
func readStatement(ctx context.Context, from content.Provider, desc ocispec.Descriptor) (st statement, err error) {
	if desc.Size > maxStatement {
		return st, errdefs.Errorf(errdefs.ErrInvalid, "statement %s has %d bytes, and %d are read at most",
			desc.Digest, desc.Size, maxStatement)
	}
	r, err := from.Open(ctx, desc)
	if err != nil {
		return st, err
	}
	defer r.Close()
	text, err := io.ReadAll(content.NewReader(r))
	if err != nil {
		return st, errdefs.Errorf(errdefs.ErrUnavailable, "statement %s: %w", desc.Digest, err)
	}
	if digest.FromBytes(text) != desc.Digest {
		return st, errdefs.Errorf(errdefs.ErrCorrupt, "statement %s: its bytes have another digest", desc.Digest)
	}
	if err := json.Unmarshal(text, &st); err != nil {
		return st, errdefs.Errorf(errdefs.ErrInvalid, "statement %s: %w", desc.Digest, err)
	}
	return st, nil
}
