package images

import (
	"context"
	"fmt"
	"iter"

	"cove/images/gc"
	"cove/images/image"
)

// Roots visits everything that names refer to: digests, and the keys of
// snapshots after "snapshot/". Whoever collects garbage calls it while the
// content store is frozen.
func (s *Store) Roots(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		all, err := s.names.Whole(ctx)
		if err != nil {
			yield("", err)
			return
		}
		walker := image.Walker{Blobs: s.cfg.Content}
		for _, r := range all {
			more, err := walker.Reach(ctx, r.Target, func(ref string) bool { return yield(ref, nil) })
			if err != nil {
				yield("", fmt.Errorf("marking image %s: %w", r.Called(), err))
			}
			if !more {
				return
			}
		}
	}
}

// Collect deletes every blob and snapshot that neither a name, nor Config.InUse,
// nor a lease refers to. It is safe at any time, beside any other process:
// adding to a lease waits for it.
func (s *Store) Collect(ctx context.Context) (gc.Collected, error) { return s.collect(ctx, nil) }

// collect sweeps only the candidates, or everything when they are nil.
func (s *Store) collect(ctx context.Context, candidates map[string]bool) (gc.Collected, error) {
	c := gc.Collector{Content: s.cfg.Content, Snapshots: s.cfg.Snapshots, Roots: []gc.Roots{s.cfg.InUse, s.Roots}}
	return c.Collect(ctx, candidates)
}
