package builder

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/builder/export"
	"cove/builder/squash"
	"cove/errdefs"
)

// checkSquash refuses what cannot be had of an image whose layers are not those of its steps.
func (r Request) checkSquash() error {
	if r.packsAnew() && r.InlineCache {
		return errdefs.Errorf(errdefs.ErrUnsupported, "compression estargz, and one that is forced: "+
			"its layers are not those of the steps, which an inline cache is about: use another cache")
	}
	if r.Squash && r.InlineCache {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"squashing: an image of one layer has no layers of steps for an inline cache: use another cache")
	}
	return nil
}

// squash gives the images of a part one layer over their base in place of those that
// their steps made, if the request asks for it: the difference between the files of
// the base and those of the image, so that what one step made and another removed is
// in no layer.
func (b *Builder) squash(ctx context.Context, j *job, p *part) error {
	if !p.req.Squash {
		return nil
	}
	squasher := squash.Squasher{
		Content: b.cfg.Content, Compress: p.req.packing(),
		Open: func(ctx context.Context, chain string) (export.Files, error) {
			return export.OpenFiles(ctx, b.cfg.Snapshots, chain)
		},
		Keep: func(d digest.Digest) error { return j.lease.Add(ctx, d.String()) },
	}
	for i := range p.made.Images {
		img := &p.made.Images[i]
		below := j.solved.BaseLayers(img.RootFS)
		if len(img.Layers) <= below {
			continue // nothing is over the base
		}
		err := j.report.Step("squashing layers", func() error { return squasher.Image(ctx, img, below) })
		if err != nil {
			return about(p, err)
		}
	}
	return nil
}
