package images

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/images/names"
	"cove/reference"
)

// RemoveOptions are the choices of Remove.
type RemoveOptions struct {
	// Force removes an image that has several names or is in use.
	Force bool
	// UsedBy names what uses an image, as "container 4f5e (db)", or is "".
	// What is in use loses its name only by Force, and its content never.
	UsedBy func(id digest.Digest) string
	// KeepContent leaves blobs and snapshots for a later Collect.
	KeepContent bool
}

// Removed is what a Remove took away, in the order in which docker prints it.
type Removed struct {
	Untagged []string
	Deleted  []string
	Freed    int64
}

// Remove removes a name and, when it was the last, the image; or by id an image
// with its name. Content that nothing else refers to goes with it. Several
// names at once, and an image in use, are errdefs.ErrConflict without Force.
func (s *Store) Remove(ctx context.Context, name string, opts RemoveOptions) (Removed, error) {
	var removed Removed
	var gone *Image
	err := s.names.Update(ctx, func(c *names.Change) error {
		all, err := c.All(ctx)
		if err != nil {
			return err
		}
		rec, err := names.Find(all, name)
		if err != nil {
			return err
		}
		victims := s.victims(all, rec, name)
		if err := mayRemove(all, rec, victims, name, opts); err != nil {
			return err
		}
		if len(victims) == len(ofImage(all, rec.Image)) {
			// Its blobs may be missing, which must not keep it here for ever.
			img, err := s.open(ctx, rec.Target)
			if err != nil {
				img = Image{ID: rec.Image, Target: rec.Target, Descriptor: rec.Target}
			}
			gone = &img
		}
		for _, v := range victims {
			if err := c.Delete(v); err != nil {
				return err
			}
			removed.Untagged = append(removed.Untagged, untagged(v)...)
		}
		return nil
	})
	if err != nil || gone == nil || opts.KeepContent {
		return removed, err
	}
	return removed, s.collectImage(ctx, *gone, &removed)
}

func ofImage(all []names.Record, id digest.Digest) (of []names.Record) {
	for _, r := range all {
		if r.Image == id {
			of = append(of, r)
		}
	}
	return of
}

// victims are the records that removing name removes: itself when it is a
// name, all of the image when it is an id.
func (s *Store) victims(all []names.Record, rec names.Record, name string) []names.Record {
	if ref, err := reference.Parse(name); err == nil && rec.Is(ref) {
		return []names.Record{rec}
	}
	return ofImage(all, rec.Image)
}

func mayRemove(all []names.Record, rec names.Record, victims []names.Record, name string, opts RemoveOptions) error {
	if opts.Force {
		return nil
	}
	repos := map[string]bool{}
	for _, v := range victims {
		if ref, err := reference.Parse(v.Name); err == nil {
			repos[ref.Name()] = true
		}
	}
	if len(repos) > 1 {
		return errdefs.Errorf(errdefs.ErrConflict, "image %s: has names in %d repositories: remove them one by one, or force it", name, len(repos))
	}
	if opts.UsedBy == nil || len(victims) < len(ofImage(all, rec.Image)) {
		return nil
	}
	if user := opts.UsedBy(rec.Image); user != "" {
		return errdefs.Errorf(errdefs.ErrConflict, "image %s: %s uses it: remove that first, or force it", name, user)
	}
	return nil
}

func untagged(r names.Record) []string {
	if r.Name == "" {
		return nil
	}
	lines := []string{r.Called()}
	if ref, err := reference.Parse(r.Name); err == nil && r.Origin != "" && ref.Digest == "" {
		lines = append(lines, ref.WithDigest(r.Origin).Familiar())
	}
	return lines
}

// collectImage sweeps what one removed image referred to.
func (s *Store) collectImage(ctx context.Context, img Image, removed *Removed) error {
	candidates := map[string]bool{}
	for _, ref := range img.refs() {
		candidates[ref] = true
	}
	done, err := s.collect(ctx, candidates)
	removed.Freed = done.Bytes
	// docker prints the image and its chain of layers, not their blobs.
	if slices.Contains(done.Refs, img.ID.String()) {
		removed.Deleted = append(removed.Deleted, img.ID.String())
	}
	for _, ref := range done.Refs {
		if chain, ok := strings.CutPrefix(ref, snapshotPrefix); ok {
			removed.Deleted = append(removed.Deleted, chain)
		}
	}
	return err
}
