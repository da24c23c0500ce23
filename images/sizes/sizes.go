// Package sizes is how large images and their layers are, and which line of the history
// made which.
package sizes

import (
	"context"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/images/image"

	"cove/content"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/snapshot"
)

// Sizes reads them from what is here.
type Sizes struct {
	Content   content.Store
	Snapshots snapshot.Snapshotter // nil: nothing is unpacked
}

// Image is how many bytes the files of an image's layers have, each layer for itself,
// as docker counts them: what a layer above deletes or replaces counts too.
func (s Sizes) Image(ctx context.Context, img image.Image) int64 {
	var n int64
	for _, size := range s.Layers(ctx, img) {
		n += size
	}
	return n
}

// Layers are the sizes of an image's layers, lowest first. Nothing is unpacked or
// walked: one that was never unpacked here has the size of its tar.
func (s Sizes) Layers(ctx context.Context, img image.Image) []int64 {
	sizes := make([]int64, len(img.Layers))
	var chain layers.ChainID
	for i, l := range img.Layers {
		chain = chain.Append(l.DiffID)
		sizes[i] = s.layerSize(ctx, chain, l)
	}
	return sizes
}

func (s Sizes) layerSize(ctx context.Context, chain layers.ChainID, l layers.Layer) int64 {
	if s.Snapshots != nil {
		if n, err := s.Snapshots.Size(ctx, string(chain)); err == nil {
			return n
		}
	}
	r, err := s.Content.Open(ctx, l.Blob)
	if err != nil {
		return l.Blob.Size
	}
	defer r.Close()
	return max(compress.DeclaredSize(r, r.Size()), l.Blob.Size)
}

// Entry is one line of an image's history.
type Entry struct {
	ocispec.History
	// Size is the size of the layer it made, unpacked; 0 for none.
	Size int64
}

// CreatedAt is the entry's time, or zero.
func (h Entry) CreatedAt() time.Time {
	if h.Created == nil {
		return time.Time{}
	}
	return *h.Created
}

// History returns the lines of an image's history, the newest first; the image itself
// is what the first line made.
func (s Sizes) History(ctx context.Context, img image.Image) []Entry {
	entries := make([]Entry, 0, len(img.Config.History))
	sizes := s.Layers(ctx, img)
	for _, h := range img.Config.History {
		e := Entry{History: h}
		if !h.EmptyLayer && len(sizes) > 0 {
			e.Size, sizes = sizes[0], sizes[1:]
		}
		entries = append(entries, e)
	}
	// Tools that write no history still made layers.
	for _, size := range sizes {
		entries = append(entries, Entry{Size: size})
	}
	slices.Reverse(entries)
	return entries
}
