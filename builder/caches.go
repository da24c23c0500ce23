package builder

import (
	"context"
	"errors"

	"cove/builder/export"
	"cove/builder/plan"
	"cove/builder/remotecache"
	"cove/builder/solve"
	"cove/builder/state"
	"cove/errdefs"
	"cove/layers"
)

// cache is the cache here with those of the request behind it. One that is not
// there, or cannot be read, costs time and is a warning.
func (b *Builder) cache(ctx context.Context, j job) (*remotecache.Cache, []Warning, error) {
	here := solve.Cache(state.Open(b.cfg.Root, b.cfg.Now).Records())
	if b.cfg.Cache != nil {
		here = b.cfg.Cache
	}
	c := remotecache.New(here, b.cfg.Content)
	var warnings []Warning
	for _, from := range j.req.CacheFrom {
		var failed error
		err := j.report.step("importing cache manifest from "+from.Name, func() error {
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
	return c, warnings, nil
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

// exportCache sends the cache where the request says, after the image is where it
// is wanted.
func (b *Builder) exportCache(
	ctx context.Context, j job, known *remotecache.Cache, images []export.Image, res *Result,
) error {
	var of []layers.Layer
	for _, img := range images {
		of = append(of, img.Layers...)
	}
	for _, to := range j.req.CacheTo {
		err := j.report.step("exporting cache to "+to.Name, func() error { return known.Export(ctx, to, of) })
		if err != nil && to.IgnoreError && ctx.Err() == nil {
			res.Warnings = append(res.Warnings, plan.Warning{Rule: "CacheNotExported", Text: err.Error()})
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
