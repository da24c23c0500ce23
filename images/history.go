package images

import (
	"context"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// HistoryEntry is one line of an image's history.
type HistoryEntry struct {
	ocispec.History
	// Size is the size of the layer it made, unpacked; 0 for none.
	Size int64
}

// CreatedAt is the entry's time, or zero.
func (h HistoryEntry) CreatedAt() time.Time {
	if h.Created == nil {
		return time.Time{}
	}
	return *h.Created
}

// History returns the lines of an image's history, the newest first; the image itself
// is what the first line made.
func (s *Store) History(ctx context.Context, img Image) []HistoryEntry {
	entries := make([]HistoryEntry, 0, len(img.Config.History))
	sizes := s.LayerSizes(ctx, img)
	for _, h := range img.Config.History {
		e := HistoryEntry{History: h}
		if !h.EmptyLayer && len(sizes) > 0 {
			e.Size, sizes = sizes[0], sizes[1:]
		}
		entries = append(entries, e)
	}
	// Tools that write no history still made layers.
	for _, size := range sizes {
		entries = append(entries, HistoryEntry{Size: size})
	}
	slices.Reverse(entries)
	return entries
}
