package copier

import (
	"context"

	"cove/builder/buildctx"
	"cove/builder/plan"
	"cove/layers/apply"
	"cove/layers/archive"
)

// Seed copies what is at a path of from into the directory dir, as a cache mount begins
// with it. Of target it needs the times.
func Seed(ctx context.Context, from *buildctx.Tree, path, dir string, target Target) error {
	what := plan.Selection{Sources: []plan.Source{{From: 0, Path: Escape(path)}}}
	sel, err := Select(ctx, what, Sources{Inputs: []*buildctx.Tree{from}})
	if err != nil {
		return err
	}
	l, err := sel.Place(plan.Placement{Dest: "/", DestDir: true}, target)
	if err != nil {
		return err
	}
	_, err = apply.Filled(ctx, apply.Target{Dir: dir}, func(w *archive.Writer) error { return l.Write(ctx, w) })
	return err
}
