package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/cache"
	"cove/layers"
)

// CacheEntry is what one build step left in the cache.
type CacheEntry struct {
	// ID is that of the layers up to the step's, or of the record where the step
	// made none.
	ID   digest.Digest
	Step string
	// Size is that of the files of the step's own layer, in bytes.
	Size          int64
	Created, Used time.Time
	// Uses is how often it was used, by the step that made it and those after.
	Uses int
	// Images have the layer too: while they are here, forgetting the step frees
	// nothing.
	Images []string
}

// BuildCache lists what build steps left in the cache, the last used first. A
// step that is known under several keys is listed once.
func (e *Engine) BuildCache(ctx context.Context) ([]CacheEntry, error) {
	users, err := e.layerUsers(ctx)
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]int{}
	var all []CacheEntry
	for r, err := range e.parts.Builds().Records().All(ctx) {
		if err != nil {
			return nil, err
		}
		id := cmp.Or(digest.Digest(r.Chain), r.Key)
		if i, twice := found[id]; twice {
			if r.Used.After(all[i].Used) {
				all[i].Used = r.Used
			}
			all[i].Uses = max(all[i].Uses, r.Uses)
			continue
		}
		size, err := e.recordSize(ctx, r.Record)
		if err != nil {
			return nil, err
		}
		found[id] = len(all)
		all = append(all, CacheEntry{
			ID: id, Step: r.Step, Size: size, Created: r.Created, Used: r.Used, Uses: r.Uses,
			Images: users[r.DiffID],
		})
	}
	slices.SortStableFunc(all, func(a, b CacheEntry) int { return b.Used.Compare(a.Used) })
	return all, nil
}

// layerUsers are the images that have each layer, by all their names or else the id.
func (e *Engine) layerUsers(ctx context.Context) (map[layers.DiffID][]string, error) {
	store, err := e.parts.Images()
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	users := map[layers.DiffID][]string{}
	for _, img := range all {
		names := []string{img.ID.Encoded()[:12]}
		if len(img.Names) > 0 {
			names = nil
			for _, n := range img.Names {
				names = append(names, n.Familiar())
			}
		}
		had := map[layers.DiffID]bool{}
		for _, l := range img.Layers {
			if !had[l.DiffID] {
				had[l.DiffID] = true
				users[l.DiffID] = append(users[l.DiffID], names...)
			}
		}
	}
	for _, names := range users {
		slices.Sort(names) // images that were made at the same time come in any order
	}
	return users, nil
}

// recordSize is what the files of a record's layer take, or, where nobody counted
// them, the packed layer.
func (e *Engine) recordSize(ctx context.Context, r cache.Record) (int64, error) {
	if r.Chain == "" {
		return r.Blob.Size, nil
	}
	snaps, err := e.parts.Snapshots()
	if err != nil {
		return 0, err
	}
	if n, err := snaps.Size(ctx, string(r.Chain)); err == nil {
		return n, nil
	}
	if r.Blob.Digest != "" {
		return r.Blob.Size, nil
	}
	disk, err := snaps.Usage(ctx, string(r.Chain))
	if err != nil {
		return 0, nil //nolint:nilerr // collected meanwhile
	}
	return disk.FileBytes, nil
}
