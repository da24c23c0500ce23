package retention

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
)

// run is the last step of a plan, which a dry run leaves out.
type run struct {
	*Retention
	plan                   Plan
	artifacts, parts, kept int                    // that were deleted, and those that stay although they were to go
	stays                  map[digest.Digest]bool // of one repository or another: a digest is the same bytes
}

// target is a manifest to be deleted.
type target struct {
	Part
	tags     []string // that it had when the plan was made
	artifact bool     // not a part of one
}

// carryOut deletes what the plan says. What was given another tag since stays, with
// what refers to it; so does what an index needs by now, and what became immutable.
func (r *Retention) carryOut(ctx context.Context, p Plan, say func(string)) (string, error) {
	d := &run{Retention: r, plan: p, stays: map[digest.Digest]bool{}}
	var left []target
	for _, g := range p.Gone {
		left = append(left, target{Part{Repository: g.Repository, Digest: g.Digest}, g.Tags, true})
	}
	for _, part := range p.With {
		left = append(left, target{Part: part})
	}
	for before := len(left) + 1; len(left) > 0 && len(left) < before; {
		before = len(left)
		var later []target
		for _, t := range left {
			needed, err := d.remove(ctx, t)
			if err != nil {
				return d.told(), err
			}
			if needed { // by an index, which may go after it
				later = append(later, t)
			}
			say(d.told())
		}
		left = later
	}
	d.kept += len(left)
	return d.told(), nil
}

func (d *run) told() string {
	return Outcome{
		Artifacts: d.artifacts, Parts: d.parts, Kept: d.plan.Kept, Bytes: d.plan.Counted, Stay: d.kept,
	}.String()
}

// remove deletes one manifest, and says whether an index needs it.
func (d *run) remove(ctx context.Context, t target) (needed bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	tags, err := d.db.TagsOn(ctx, t.Repository, t.Digest.String())
	if err != nil {
		return false, err
	}
	same := func() bool {
		return slices.Equal(slices.Sorted(slices.Values(tags)), slices.Sorted(slices.Values(t.tags)))
	}
	if d.stays[t.Of] || t.artifact && !same() {
		d.stay(t)
		return false, nil
	}
	switch err := d.registry.DeleteManifest(ctx, t.Repository, t.Digest); {
	case errors.Is(err, errdefs.ErrConflict):
		return true, nil
	case errors.Is(err, errdefs.ErrDenied):
		d.stay(t)
		return false, nil
	case err != nil && !errors.Is(err, errdefs.ErrNotFound):
		return false, err
	}
	if t.artifact {
		d.artifacts++
	} else {
		d.parts++
	}
	return false, nil
}

func (d *run) stay(t target) {
	d.kept++
	d.stays[t.Digest] = true
}
