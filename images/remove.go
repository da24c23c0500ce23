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
	// Force removes an image that has names in several repositories, and the
	// last name of one that is in use.
	Force bool
	// Unnamed refuses an image that has a name by now.
	Unnamed bool
	// UsedBy tells what uses images. It is asked while no name can change. Only
	// what is in use may lose its name, and only by Force; its content stays, as
	// that of an image without a name.
	UsedBy func(ctx context.Context) (map[digest.Digest]User, error)
	// KeepContent leaves blobs and snapshots for a later Collect.
	KeepContent bool
}

// User is what uses an image.
type User struct {
	Name string // as "container 4f5e (db)"
	// Running says that it runs: then nothing removes the image by its id.
	Running bool
}

// Removed is what a Remove took away, in the order in which docker prints it.
type Removed struct {
	Untagged []string
	Deleted  []string
	Freed    int64
	image    digest.Digest
}

// Remove removes a name and, when it was the last, the image; or by id an image
// with its names. Content that nothing else refers to goes with it. Several
// names at once, and an image in use, are errdefs.ErrConflict without Force; one
// that runs, or that has no name left to lose, is so with it, too.
func (s *Store) Remove(ctx context.Context, name string, opts RemoveOptions) (Removed, error) {
	var removed Removed
	var gone *Image
	err := s.names.Update(ctx, func(c *names.Change) (err error) {
		removed, gone, err = s.unname(ctx, c, name, opts)
		return err
	})
	if err == nil {
		s.tellRemoved(removed, gone != nil)
	}
	if err != nil || gone == nil || opts.KeepContent {
		return removed, err
	}
	return removed, s.collectImage(ctx, *gone, &removed)
}

// unname removes the records. gone is the image when none is left of it.
func (s *Store) unname(
	ctx context.Context, c *names.Change, name string, opts RemoveOptions,
) (removed Removed, gone *Image, err error) {
	all, err := c.All(ctx)
	if err != nil {
		return removed, nil, err
	}
	rec, err := names.Find(all, name)
	if err != nil {
		return removed, nil, err
	}
	removed.image = rec.Image
	r := removal{name: name, rec: rec, all: ofImage(all, rec.Image), opts: opts}
	r.choose()
	if opts.UsedBy != nil {
		users, err := opts.UsedBy(ctx)
		if err != nil {
			return removed, nil, err
		}
		r.user, r.used = users[rec.Image]
	}
	if err := r.check(); err != nil {
		return removed, nil, err
	}
	switch last := len(r.victims) == len(r.all); {
	case last && r.used:
		if err := c.Put(names.Record{Target: rec.Target, Image: rec.Image, Updated: s.cfg.Now().UTC()}); err != nil {
			return removed, nil, err
		}
	case last:
		// Its blobs may be missing, which must not keep it here for ever.
		img, err := s.open(ctx, rec.Target)
		if err != nil {
			img = Image{ID: rec.Image, Target: rec.Target, Descriptor: rec.Target}
		}
		gone = &img
	}
	for _, v := range r.victims {
		if v.Name == "" && r.used {
			continue // the record that it stays under
		}
		if err := c.Delete(v); err != nil {
			return removed, nil, err
		}
		removed.Untagged = append(removed.Untagged, untagged(v)...)
	}
	return removed, gone, nil
}

func ofImage(all []names.Record, id digest.Digest) (of []names.Record) {
	for _, r := range all {
		if r.Image == id {
			of = append(of, r)
		}
	}
	return of
}

// removal is a name, or an id, that is to go.
type removal struct {
	name    string
	rec     names.Record
	all     []names.Record // of the image
	opts    RemoveOptions
	byName  bool
	victims []names.Record
	user    User
	used    bool
}

// choose finds the records that go: itself when it is a name, all of the image
// when it is an id.
func (r *removal) choose() {
	if ref, err := reference.Parse(r.name); err == nil && r.rec.Is(ref) {
		r.byName, r.victims = true, []names.Record{r.rec}
		return
	}
	r.victims = r.all
}

// check refuses in docker's words.
func (r *removal) check() error {
	id := r.rec.Image.Encoded()[:12]
	repos := map[string]bool{}
	for _, v := range r.victims {
		if ref, err := reference.Parse(v.Name); err == nil {
			repos[ref.Name()] = true
		}
	}
	forceable := func(format string, args ...any) error {
		err := errdefs.Errorf(errdefs.ErrConflict, "conflict: unable to "+format, args...)
		return errdefs.Suggest(err, errdefs.Force, r.name)
	}
	switch {
	case r.opts.Unnamed && len(repos) > 0:
		return errdefs.Errorf(errdefs.ErrConflict, "image %s has a name by now", id)
	case len(repos) > 1 && !r.opts.Force:
		return forceable("delete %s (must be forced) - image is referenced in multiple repositories (%d)", id,
			len(repos))
	case !r.used || len(r.victims) < len(r.all):
		return nil
	case r.byName && !r.opts.Force:
		return forceable("remove repository reference %q (must force) - %s is using its referenced image %s",
			r.name, r.user.Name, id)
	case r.byName:
		return nil
	case r.user.Running:
		return errdefs.Errorf(errdefs.ErrConflict,
			"conflict: unable to delete %s (cannot be forced) - image is being used by running %s; stop that first",
			id, r.user.Name)
	case len(repos) == 0:
		return errdefs.Errorf(errdefs.ErrConflict,
			"conflict: unable to delete %s (cannot be forced) - image is being used by stopped %s; remove that first",
			id, r.user.Name)
	case !r.opts.Force:
		return forceable("delete %s (must be forced) - image is being used by stopped %s", id, r.user.Name)
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
