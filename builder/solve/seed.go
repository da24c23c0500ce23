package solve

import (
	"context"

	"cove/builder/buildctx"
	"cove/builder/copier"
	"cove/builder/plan"
	"cove/layers/archive"
	"cove/layers/mount"
)

// seedCache copies what a new cache mount begins with into its directory.
func (s *solver) seedCache(ctx context.Context, from *result, m plan.RunMount, dir string) error {
	root, err := s.open(ctx, from)
	if err != nil {
		return err
	}
	defer root.Close()
	what := plan.Selection{Sources: []plan.Source{{From: 0, Path: copier.Escape(m.Source)}}}
	sel, err := copier.Select(ctx, what, copier.Sources{Inputs: []*buildctx.Tree{root.Tree}})
	if err != nil {
		return err
	}
	l, err := sel.Place(plan.Placement{Dest: "/", DestDir: true}, copier.Target{Epoch: s.Epoch, Now: s.Now()})
	if err != nil {
		return err
	}
	_, err = applied(ctx, mount.Mount{Type: "bind", Source: dir},
		func(w *archive.Writer) error { return l.Write(ctx, w) })
	return err
}
