package images

import (
	"context"
	"slices"
	"strings"

	"cove/images/gc"
	"cove/images/image"
	"cove/images/names"
	"cove/images/removal"
	"cove/images/told"
)

// Remove removes a name and, when it was the last, the image; or by id an image
// with its names. Content that nothing else refers to goes with it. Several
// names at once, and an image in use, are errdefs.ErrConflict without Force; one
// that runs, or that has no name left to lose, is so with it, too.
func (s *Store) Remove(ctx context.Context, name string, opts removal.Options) (removal.Removed, error) {
	var removed removal.Removed
	var gone *image.Image
	err := s.names.Update(ctx, func(c *names.Change) (err error) {
		removed, gone, err = s.unname(ctx, c, name, opts)
		return err
	})
	if err == nil {
		told.Removed(s.cfg.Root, removed, gone != nil)
	}
	if err != nil || gone == nil || opts.KeepContent {
		return removed, err
	}
	return removed, s.collectImage(ctx, *gone, &removed)
}

// unname removes the records. gone is the image when none is left of it.
func (s *Store) unname(
	ctx context.Context, c *names.Change, name string, opts removal.Options,
) (removed removal.Removed, gone *image.Image, err error) {
	all, err := c.All(ctx)
	if err != nil {
		return removed, nil, err
	}
	d, err := removal.Decide(ctx, all, name, opts)
	if err != nil {
		return removed, nil, err
	}
	rec := d.Record
	removed.Image = rec.Image
	switch {
	case d.Last && d.Used:
		if err := c.Put(names.Record{Target: rec.Target, Image: rec.Image, Updated: s.cfg.Now().UTC()}); err != nil {
			return removed, nil, err
		}
	case d.Last:
		// Its blobs may be missing, which must not keep it here for ever.
		img, err := s.open(ctx, rec.Target)
		if err != nil {
			img = image.Image{ID: rec.Image, Target: rec.Target, Descriptor: rec.Target}
		}
		gone = &img
	}
	for _, v := range d.Records {
		if v.Name == "" && d.Used {
			continue // the record that it stays under
		}
		if err := c.Delete(v); err != nil {
			return removed, nil, err
		}
		removed.Untagged = append(removed.Untagged, removal.Untagged(v)...)
	}
	return removed, gone, nil
}

// collectImage sweeps what one removed image referred to.
func (s *Store) collectImage(ctx context.Context, img image.Image, removed *removal.Removed) error {
	candidates := map[string]bool{}
	for _, ref := range img.Refs() {
		candidates[ref] = true
	}
	done, err := s.collect(ctx, candidates)
	removed.Freed = done.Bytes
	// docker prints the image and its chain of layers, not their blobs.
	if slices.Contains(done.Refs, img.ID.String()) {
		removed.Deleted = append(removed.Deleted, img.ID.String())
	}
	for _, ref := range done.Refs {
		if chain, ok := strings.CutPrefix(ref, gc.SnapshotPrefix); ok {
			removed.Deleted = append(removed.Deleted, chain)
		}
	}
	return err
}
