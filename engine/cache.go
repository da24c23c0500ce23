package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/cache"
	"cove/engine/uses"
)

// The types of what is in the build cache, as BuildKit calls them.
const (
	CacheOfStep    = "regular"
	CacheOfContext = "source.local"
)

// CacheEntry is what one build step left in the cache, or a context that a client sent.
type CacheEntry struct {
	// Type is CacheOfStep or CacheOfContext.
	Type string
	// InUse says that a build has it.
	InUse bool
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

// BuildCache lists what build steps left in the cache, and the contexts that clients sent,
// the last used first. A step that is known under several keys is listed once.
func (e *Engine) BuildCache(ctx context.Context) ([]CacheEntry, error) {
	users, err := uses.Layers(ctx, e.parts)
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
			Type: CacheOfStep, ID: id, Step: r.Step, Size: size, Created: r.Created, Used: r.Used, Uses: r.Uses,
			Images: users[r.DiffID],
		})
	}
	contexts, err := e.parts.Builds().Contexts().All()
	if err != nil {
		return nil, err
	}
	for _, c := range contexts {
		all = append(all, CacheEntry{
			Type: CacheOfContext, InUse: c.InUse, ID: c.ID, Step: c.What, Size: c.Bytes, Created: c.Created,
			Used: c.Used, Uses: c.Uses,
		})
	}
	slices.SortStableFunc(all, func(a, b CacheEntry) int { return b.Used.Compare(a.Used) })
	return all, nil
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
