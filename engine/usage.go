package engine

import (
	"context"

	"cove/engine/listing"
	"cove/runner"
)

// Usage is what one kind of thing takes on disk.
type Usage struct {
	Type          string
	Total, Active int
	Size          int64
	Reclaimable   int64
}

// DiskUsage adds up what images and containers take, each layer once.
func (e *Engine) DiskUsage(ctx context.Context) ([]Usage, error) {
	store, err := e.images()
	if err != nil {
		return nil, err
	}
	used, err := e.usedImages(ctx)
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	imgs := Usage{Type: "Images", Total: len(all)}
	sizes := map[string]int64{}
	live := map[string]bool{}
	for _, img := range all {
		inUse := used[img.ID.String()] != ""
		if inUse {
			imgs.Active++
		}
		for _, l := range img.Layers {
			sizes[l.Blob.Digest.String()] = l.Blob.Size
			live[l.Blob.Digest.String()] = live[l.Blob.Digest.String()] || inUse
		}
	}
	for dgst, size := range sizes {
		imgs.Size += size
		if !live[dgst] {
			imgs.Reclaimable += size
		}
	}
	ctrs, err := e.containerUsage(ctx)
	return []Usage{imgs, ctrs}, err
}

func (e *Engine) containerUsage(ctx context.Context) (Usage, error) {
	u := Usage{Type: "Containers"}
	snaps, err := e.snapshots()
	if err != nil {
		return u, err
	}
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return u, err
	}
	u.Total = len(all)
	for _, c := range all {
		disk, err := snaps.Usage(ctx, c.SnapshotKey)
		if err != nil {
			continue // removed meanwhile
		}
		u.Size += disk.Bytes
		if c.State.Status == runner.Running || c.State.Status == runner.Paused {
			u.Active++
		} else {
			u.Reclaimable += disk.Bytes
		}
	}
	return u, nil
}
