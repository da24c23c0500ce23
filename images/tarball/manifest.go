package tarball

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/layers/compress"
)

// Manifest is the one that an old docker archive does not have of an image.
func (f Image) Manifest(ctx context.Context, blobs content.Provider) (ocispec.Manifest, error) {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: f.Config, Layers: []ocispec.Descriptor{}}
	for _, l := range f.Layers {
		mediaType, err := layerMediaType(ctx, blobs, l)
		if err != nil {
			return m, err
		}
		l.MediaType = mediaType
		m.Layers = append(m.Layers, l)
	}
	return m, nil
}

// layerMediaType looks at how a layer is compressed.
func layerMediaType(ctx context.Context, blobs content.Provider, desc ocispec.Descriptor) (string, error) {
	r, err := blobs.Open(ctx, desc)
	if err != nil {
		return "", err
	}
	defer r.Close()
	head := make([]byte, 16)
	n, err := r.ReadAt(head, 0)
	if err != nil && n == 0 && r.Size() > 0 {
		return "", err
	}
	return compress.Detect(head[:n]).MediaType()
}
