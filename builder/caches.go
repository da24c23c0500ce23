package builder

import (
	"context"
	"errors"
	"slices"

	"cove/builder/export"
	"cove/builder/plan"
	"cove/builder/remotecache"
	"cove/builder/solve"
	"cove/errdefs"
)

// cache is the cache here with those of the request behind it. One that is not
// there, or cannot be read, costs time and is a warning.
func (b *Builder) cache(ctx context.Context, j *job, parts []*part) (*remotecache.Cache, []Warning, error) {
	c := remotecache.New(b.records(), b.cfg.Content)
	var warnings []Warning
	for _, from := range cachesFrom(parts) {
		var failed error
		err := j.report.Step("importing cache manifest from "+from.Name, func() error {
			if failed = c.Import(ctx, from); errors.Is(failed, errdefs.ErrNotFound) {
				failed = nil // the first build has none
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, nil, err
		}
		if failed != nil {
			warnings = append(warnings, Warning{Rule: "CacheNotImported", Text: failed.Error()})
		}
	}
	for _, id := range j.solved.CacheMounts() {
		c.MountID(id) // an export wants those of steps that are not executed, too
	}
	return c, warnings, nil
}

// solveKnown solves, and again without the layers that a cache was to have and could
// not give: they cost time and are warnings.
func solveKnown(
	ctx context.Context, graph *plan.Graph, cfg solve.Config, known *remotecache.Cache,
) (*solve.Result, []Warning, error) {
	var warnings []Warning
	for {
		solved, err := solve.Solve(ctx, graph, cfg)
		for _, lost := range known.Lost() {
			warnings = append(warnings, Warning{Rule: "CacheLayerLost", Text: lost.Error()})
		}
		if !errors.Is(err, remotecache.ErrLost) || ctx.Err() != nil {
			return solved, warnings, err
		}
	}
}

// cachesFrom are the caches that the requests import, each once.
func cachesFrom(parts []*part) (all []remotecache.From) {
	for _, p := range parts {
		for _, from := range p.req.CacheFrom {
			same := func(f remotecache.From) bool { return f.Name == from.Name && f.Ref == from.Ref }
			if !slices.ContainsFunc(all, same) {
				all = append(all, from)
			}
		}
	}
	return all
}

// cachesTo are the caches that the requests export.
func cachesTo(parts []*part) (all []remotecache.To) {
	for _, p := range parts {
		all = append(all, p.req.CacheTo...)
	}
	return all
}

func isMax(to remotecache.To) bool { return to.Max }

// addInline gives each image the document of its own layers, if that was asked for.
func addInline(req Request, known *remotecache.Cache, images []export.Image) (err error) {
	if !req.InlineCache {
		return nil
	}
	for i, img := range images {
		if images[i].Cache, err = known.Inline(img.Layers); err != nil {
			return err
		}
	}
	return nil
}

// exportCaches sends the caches where the requests say.
func (b *Builder) exportCaches(
	ctx context.Context, j *job, parts []*part, known *remotecache.Cache, results []*Result,
) error {
	known.Wait()
	for i, p := range parts {
		for _, to := range p.req.CacheTo {
			to.State = b.cfg.Root
			err := j.report.Step("exporting cache to "+to.Name, func() error { return known.Export(ctx, to, p.plain) })
			if err != nil && (!to.IgnoreError || ctx.Err() != nil) {
				return err
			}
			for _, lost := range append(known.Lost(), err) {
				if lost != nil {
					results[i].Warnings = append(results[i].Warnings,
						plan.Warning{Rule: "CacheNotExported", Text: lost.Error()})
				}
			}
		}
	}
	return nil
}
