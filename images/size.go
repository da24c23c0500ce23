package images

import (
	"context"

	"cove/layers"
	"cove/layers/compress"
)

// Size is how many bytes an image's layers have unpacked, as their compressed
// streams say themselves: nothing is unpacked to find out.
func (s *Store) Size(ctx context.Context, img Image) int64 {
	var n int64
	for _, l := range img.Layers {
		n += s.layerSize(ctx, l)
	}
	return n
}

func (s *Store) layerSize(ctx context.Context, l layers.Layer) int64 {
	r, err := s.cfg.Content.Open(ctx, l.Blob)
	if err != nil {
		return l.Blob.Size
	}
	defer r.Close()
	return max(compress.DeclaredSize(r, r.Size()), l.Blob.Size)
}
