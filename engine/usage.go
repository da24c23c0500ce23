package engine

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/engine/listing"
	"cove/engine/uses"
	"cove/images"
	"cove/images/gc"
	"cove/layers/tree"
)

// Usage is what one kind of thing takes on disk.
type Usage struct {
	Type          string
	Total, Active int
	Size          int64
	Reclaimable   int64
}

// add counts one more, of which bytes are its own.
func (u *Usage) add(active bool, bytes int64) {
	u.Total++
	u.Size += bytes
	if active {
		u.Active++
	} else {
		u.Reclaimable += bytes
	}
}

// DiskUsage adds up what images, containers, volumes and the build cache take.
func (e *Engine) DiskUsage(ctx context.Context) ([]Usage, error) {
	store, err := e.parts.Images()
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	used, err := uses.Images(ctx, e.parts)
	if err != nil {
		return nil, err
	}
	ctrs, err := e.containerUsage(ctx)
	if err != nil {
		return nil, err
	}
	vols, err := e.volumeUsage(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := e.cacheUsage(ctx, all)
	return []Usage{imageUsage(all, used), ctrs, vols, cache}, err
}

// imageUsage counts each layer once, whatever images share it.
func imageUsage(all []images.Image, used map[digest.Digest]images.User) Usage {
	u := Usage{Type: "Images", Total: len(all)}
	live := map[digest.Digest]bool{}
	sizes := map[digest.Digest]int64{}
	for _, img := range all {
		_, inUse := used[img.ID]
		if inUse {
			u.Active++
		}
		for _, l := range img.Layers {
			sizes[l.Blob.Digest] = l.Blob.Size
			live[l.Blob.Digest] = live[l.Blob.Digest] || inUse
		}
	}
	for dgst, size := range sizes {
		u.Size += size
		if !live[dgst] {
			u.Reclaimable += size
		}
	}
	return u
}

func (e *Engine) containerUsage(ctx context.Context) (Usage, error) {
	u := Usage{Type: "Containers"}
	snaps, err := e.parts.Snapshots()
	if err != nil {
		return u, err
	}
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return u, err
	}
	for _, c := range all {
		disk, err := snaps.Usage(ctx, c.SnapshotKey)
		if err != nil {
			continue // removed meanwhile
		}
		u.add(c.Runs(), disk.Bytes)
	}
	return u, nil
}

func (e *Engine) volumeUsage(ctx context.Context) (Usage, error) {
	u := Usage{Type: "Local Volumes"}
	all, err := e.Volumes(ctx, nil)
	if err != nil {
		return u, err
	}
	for _, v := range all {
		disk, err := tree.Measure(ctx, v.Path)
		if err != nil {
			continue // removed meanwhile
		}
		u.add(len(v.Users) > 0, disk.Bytes)
	}
	return u, nil
}

// cacheUsage counts the layers that build steps made. Those of an image go with
// the image, not with the cache.
func (e *Engine) cacheUsage(ctx context.Context, all []images.Image) (Usage, error) {
	u := Usage{Type: "Build Cache"}
	store, err := e.parts.Content()
	if err != nil {
		return u, err
	}
	inImage := map[digest.Digest]bool{}
	for _, img := range all {
		for _, l := range img.Layers {
			inImage[l.Blob.Digest] = true
		}
	}
	seen := map[string]bool{}
	for ref, err := range e.parts.Builds().Roots(ctx) {
		if err != nil {
			return u, err
		}
		if seen[ref] || strings.HasPrefix(ref, gc.SnapshotPrefix) {
			continue
		}
		seen[ref] = true
		info, err := store.Stat(ctx, digest.Digest(ref))
		if err != nil {
			continue // collected meanwhile
		}
		u.add(inImage[info.Digest], info.Size)
	}
	return u, nil
}
