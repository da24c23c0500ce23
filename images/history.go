package images

import (
	"context"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// HistoryEntry is one line of an image's history.
type HistoryEntry struct {
	ocispec.History
	// Size is the size of the layer it made, unpacked; 0 for none.
	Size int64
	// Top says that the image itself is what this line made.
	Top bool
}

// CreatedAt is the entry's time, or zero.
func (h HistoryEntry) CreatedAt() time.Time {
	if h.Created == nil {
		return time.Time{}
	}
	return *h.Created
}

// History returns the lines of an image's history, the newest first.
func (s *Store) History(ctx context.Context, name string) ([]HistoryEntry, error) {
	img, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	entries := make([]HistoryEntry, 0, len(img.Config.History))
	layer := 0
	for _, h := range img.Config.History {
		e := HistoryEntry{History: h}
		if !h.EmptyLayer && layer < len(img.Layers) {
			e.Size = s.layerSize(ctx, img.Layers[layer])
			layer++
		}
		entries = append(entries, e)
	}
	// Tools that write no history still made layers.
	for ; layer < len(img.Layers); layer++ {
		entries = append(entries, HistoryEntry{Size: s.layerSize(ctx, img.Layers[layer])})
	}
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
	if len(entries) > 0 {
		entries[0].Top = true
	}
	return entries, nil
}
