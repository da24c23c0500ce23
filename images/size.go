package images

import (
	"context"

	"cove/layers"
	"cove/layers/compress"
)

// Size is how many bytes the files of an image's layers have, each layer for itself,
// as docker counts them: what a layer above deletes or replaces counts too.
func (s *Store) Size(ctx context.Context, img Image) int64 {
	var n int64
	for _, size := range s.LayerSizes(ctx, img) {
		n += size
	}
	return n
}

// LayerSizes are the sizes of an image's layers, lowest first. Nothing is unpacked or
// walked: one that was never unpacked here has the size of its tar.
func (s *Store) LayerSizes(ctx context.Context, img Image) []int64 {
	sizes := make([]int64, len(img.Layers))
	var chain layers.ChainID
	for i, l := range img.Layers {
		chain = chain.Append(l.DiffID)
		sizes[i] = s.layerSize(ctx, chain, l)
	}
	return sizes
}

func (s *Store) layerSize(ctx context.Context, chain layers.ChainID, l layers.Layer) int64 {
	if s.cfg.Snapshots != nil {
		if n, err := s.cfg.Snapshots.Size(ctx, string(chain)); err == nil {
			return n
		}
	}
	r, err := s.cfg.Content.Open(ctx, l.Blob)
	if err != nil {
		return l.Blob.Size
	}
	defer r.Close()
	return max(compress.DeclaredSize(r, r.Size()), l.Blob.Size)
}
