package retention

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/jobs"
)

// run is the last step of a plan, which a dry run leaves out.
type run struct {
	*Retention
	plan                   Plan
	artifacts, parts, kept int                    // that were deleted, and those that stay although they were to go
	stays                  map[digest.Digest]bool // of one repository or another: a digest is the same bytes
	earlier                []Gone                 // artifacts that a try before has deleted
	bytes                  int64
}

// caller deletes what no rule keeps.
const caller = "(Retention)"

// goOn is a run of a plan that counts what tries of the same job before it have deleted.
func (r *Retention) goOn(ctx context.Context, w *jobs.Work, p Plan) (*run, error) {
	o := orderOf(w.Job)
	if o.Planned == nil {
		o.Planned = &planned{len(p.Gone), len(p.With), p.Counted}
		if err := w.Remember(ctx, r.db, o); err != nil {
			return nil, err
		}
	}
	// One run of a project is at it at a time. What had a tag was an artifact for sure.
	gone, err := db.All(ctx, r.db.Querier(), func(s db.Scanner) (g Gone, err error) {
		var tags string
		err = s.Scan(&g.Repository, &g.Digest, &tags)
		g.Tags = strings.Fields(tags)
		return g, err
	}, `SELECT r.name, d.digest, d.tags FROM projects p JOIN repositories r ON r.project_id = p.id
		JOIN deleted_manifests d ON d.repository_id = r.id AND d.deleted_at >= $2
		WHERE p.name = $1 AND d.deleted_by = $3 ORDER BY CASE d.tags WHEN '' THEN 1 ELSE 0 END, d.deleted_at`,
		w.Subject, db.Micros(w.CreatedAt), caller)
	if err != nil {
		return nil, err
	}
	artifacts := min(max(o.Planned.Artifacts-len(p.Gone), 0), len(gone))
	return &run{
		Retention: r, plan: p, stays: map[digest.Digest]bool{}, earlier: gone[:artifacts],
		artifacts: artifacts, parts: len(gone) - artifacts, bytes: o.Planned.Bytes,
	}, nil
}

// target is a manifest to be deleted.
type target struct {
	Part
	tags     []string // that it had when the plan was made
	artifact bool     // not a part of one
}

// carryOut deletes what the plan says. What was given another tag since stays, with
// what refers to it; so does what an index needs by now, and what became immutable.
func (d *run) carryOut(ctx context.Context, say func(string)) (string, error) {
	var left []target
	for _, g := range d.plan.Gone {
		left = append(left, target{Part{Repository: g.Repository, Digest: g.Digest}, g.Tags, true})
	}
	for _, part := range d.plan.With {
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
		Artifacts: d.artifacts, Parts: d.parts, Kept: d.plan.Kept, Bytes: d.bytes, Stay: d.kept,
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
