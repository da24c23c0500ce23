package engine

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/cache"
	"cove/engine/listing"
	"cove/engine/machine"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/events"
	"cove/images/gc"
	"cove/images/removal"
	"cove/images/transfer"
)

// PruneOptions say what may go. Content that nothing refers to always goes.
type PruneOptions struct {
	// Containers removes those that do not run.
	Containers bool
	// Images removes images without a name; AllImages those that no container
	// uses.
	Images, AllImages bool
	// BuildCache forgets what build steps made.
	BuildCache bool
	// CacheUnused, if set, forgets of it only what was not used for that long;
	// CacheBytes keeps that much of what was used last.
	CacheUnused time.Duration
	CacheBytes  int64
	// Volumes removes volumes that nobody named and no container has;
	// AllVolumes those with a name, too.
	Volumes, AllVolumes bool
	// Networks removes those that no container asks for.
	Networks bool
	// Filter chooses of all that: by until and labels, but no volume by until. What
	// builds left has no labels, and stays when they are asked for; it is as old as
	// its last use.
	Filter listing.PruneFilter
}

// check refuses filters that the options cannot have. docker has two that mean an
// option: dangling=false of images alone, and all=true of volumes alone.
func (o *PruneOptions) check() error {
	known := []string{listing.PruneUntil, listing.PruneLabel, listing.PruneNoLabel}
	ofImages, ofVolumes := o.Images || o.AllImages, o.Volumes || o.AllVolumes
	if ofVolumes {
		if len(o.Filter[listing.PruneUntil]) > 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "the until filter is not supported for volumes: they have no age")
		}
		known = known[1:]
	}
	for key, option := range map[string]struct {
		here, is bool
		set      *bool
	}{
		"dangling": {ofImages && !ofVolumes && !o.Containers, false, &o.AllImages},
		"all":      {ofVolumes && !ofImages, true, &o.AllVolumes},
	} {
		if !option.here {
			continue
		}
		known = append(known, key)
		for _, v := range o.Filter[key] {
			yes, err := strconv.ParseBool(v)
			if err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "invalid filter '%s=%s': want true or false", key, v)
			}
			*option.set = yes == option.is
		}
	}
	return o.Filter.Check(known...)
}

// Pruned is what a Prune removed.
type Pruned struct {
	Containers []string
	Volumes    []string
	Networks   []string
	Images     removal.Removed
	// Repaired is what containers that died left behind, one line each.
	Repaired []string
	// Freed is the size of the blobs, of downloads never finished, and of the
	// volumes that went, in bytes.
	Freed int64
}

// Prune removes what the options name, then collects: it marks from names,
// containers, the build cache and live leases, and deletes every blob and
// snapshot that none of them reaches, and what is left of downloads that were
// not resumed. It is safe beside any other command: the collection
// (images.Collect) runs while new leases wait, and what is being written is
// locked.
func (e *Engine) Prune(ctx context.Context, o PruneOptions) (Pruned, error) {
	var p Pruned
	if err := machine.NeedRoot("pruning"); err != nil {
		return p, err
	}
	if err := o.check(); err != nil {
		return p, err
	}
	r, err := e.parts.Runner()
	if err != nil {
		return p, err
	}
	if p.Repaired, err = r.Clean(ctx); err != nil {
		return p, err
	}
	for _, prune := range []func(context.Context, PruneOptions, *Pruned) error{
		e.pruneContainers, e.pruneVolumes, e.pruneNetworks, e.pruneImages, e.pruneCache, e.collect,
	} {
		if err := prune(ctx, o, &p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// tell tells that things of one kind were pruned, as docker does.
func (e *Engine) tell(kind events.Type, freed int64) {
	events.Of(e.parts.Root).Tell(events.Event{
		Type: kind, Action: events.Prune, Attributes: map[string]string{"reclaimed": strconv.FormatInt(freed, 10)},
	})
}

func (e *Engine) pruneNetworks(ctx context.Context, o PruneOptions, p *Pruned) (err error) {
	if !o.Networks {
		return nil
	}
	if p.Networks, err = e.PruneNetworks(ctx, o.Filter); err == nil {
		e.tell(events.Network, 0)
	}
	return err
}

func (e *Engine) pruneCache(ctx context.Context, o PruneOptions, p *Pruned) error {
	if !o.BuildCache || len(o.Filter[listing.PruneLabel])+len(o.Filter[listing.PruneNoLabel]) > 0 {
		return nil
	}
	keep := cache.Keep{Age: o.CacheUnused, Bytes: o.CacheBytes}
	if limit, err := o.Filter.Older(e.parts.Now()); err != nil {
		return err
	} else if !limit.IsZero() {
		keep.Age = e.parts.Now().Sub(limit)
	}
	keep.Nothing = keep == cache.Keep{}
	contexts, err := e.parts.Builds().Prune(ctx, keep)
	p.Freed += contexts
	if err == nil {
		e.tell(events.Builder, 0)
	}
	return err
}

// collect removes all that nothing refers to.
func (e *Engine) collect(ctx context.Context, o PruneOptions, p *Pruned) error {
	store, err := e.parts.Images()
	if err != nil {
		return err
	}
	collected, err := store.Collect(ctx)
	p.Freed += collected.Bytes
	if err != nil {
		return err
	}
	if err := e.expireWrites(ctx, o, p); err != nil {
		return err
	}
	snaps, err := e.parts.Snapshots()
	if err != nil {
		return err
	}
	return snaps.Clean(ctx)
}

// resumable is for how long a pull that was cut off finds what it had, unless
// all images are pruned.
const resumable = time.Hour

func (e *Engine) expireWrites(ctx context.Context, o PruneOptions, p *Pruned) error {
	store, err := e.parts.Content()
	if err != nil {
		return err
	}
	for in, err := range store.Ingests(ctx) {
		if err != nil {
			return err
		}
		if in.Open || strings.HasPrefix(in.ID, transfer.ResumablePrefix) {
			continue
		}
		switch err := store.Abort(ctx, in.ID); {
		case err == nil:
			p.Freed += in.Size
		case !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrUnavailable):
			return err // else it was committed or opened meanwhile
		}
	}
	keep := resumable
	if o.AllImages { // on a full disk there is nothing else to give
		keep = 0
	}
	freed, err := store.Expire(ctx, e.parts.Now().Add(-keep))
	p.Freed += freed
	return err
}

func (e *Engine) pruneContainers(ctx context.Context, o PruneOptions, p *Pruned) error {
	if !o.Containers {
		return nil
	}
	goes, err := o.Filter.Test(e.parts.Now())
	if err != nil {
		return err
	}
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return err
	}
	starting, err := uses.Held(ctx, e.parts, gc.SnapshotPrefix)
	if err != nil {
		return err
	}
	for _, c := range all {
		unknown := c.State.Status == listing.Dead
		if c.Runs() || unknown || starting[uses.SnapshotKey(c.ID)] || !goes(c.Created, c.Labels) {
			continue
		}
		err := e.Remove(ctx, c.ID, false, true)
		switch {
		case err == nil:
			p.Containers = append(p.Containers, c.ID)
		case !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound):
			return err // else it was started or removed meanwhile
		}
	}
	e.tell(events.Container, 0)
	return nil
}

func (e *Engine) pruneImages(ctx context.Context, o PruneOptions, p *Pruned) error {
	if !o.Images && !o.AllImages {
		return nil
	}
	goes, err := o.Filter.Test(e.parts.Now())
	if err != nil {
		return err
	}
	store, err := e.parts.Images()
	if err != nil {
		return err
	}
	used, err := uses.Images(ctx, e.parts)
	if err != nil {
		return err
	}
	all, err := store.List(ctx)
	if err != nil {
		return err
	}
	freed := int64(0)
	for _, img := range all {
		_, inUse := used[img.ID]
		if inUse || len(img.Names) > 0 && !o.AllImages || !goes(img.Created, img.Config.Config.Labels) {
			continue
		}
		removed, err := store.Remove(ctx, img.ID.String(), removal.Options{
			Force: o.AllImages, Unnamed: !o.AllImages, UsedBy: e.usedBy,
		})
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrConflict) {
			return err // else it was removed, named or used meanwhile
		}
		p.Images.Untagged = append(p.Images.Untagged, removed.Untagged...)
		p.Images.Deleted = append(p.Images.Deleted, removed.Deleted...)
		freed += removed.Freed
	}
	p.Freed += freed
	e.tell(events.Image, freed)
	return nil
}

// usedBy is uses.Images for the store of images, which asks while no name can go.
func (e *Engine) usedBy(ctx context.Context) (map[digest.Digest]removal.User, error) {
	return uses.Images(ctx, e.parts)
}
