package builder

import (
	"context"
	"errors"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/builder/plan"
	"cove/builder/solve"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/diff"
	"cove/layers/mount"
)

// squashed stands, in the history of an image, for the step that made one layer of
// all.
const squashed plan.ID = plan.None - 1

// checkSquash refuses what cannot be had of an image whose steps have no layers.
func (r Request) checkSquash() error {
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
func (b *Builder) squash(ctx context.Context, j *job, p *part, solved *solve.Result) error {
	if !p.req.Squash {
		return nil
	}
	for i := range p.made.Images {
		img := &p.made.Images[i]
		if len(img.Layers) <= baseLayers(j.solved, img.RootFS) {
			continue // nothing is over the base
		}
		err := j.report.Step("squashing layers", func() error { return b.squashImage(ctx, j, p, img, solved) })
		if err != nil {
			return about(p, err)
		}
	}
	return nil
}

// baseLayers is how many layers an image has of its base.
func baseLayers(g *plan.Graph, id plan.ID) int {
	for ; id != plan.None; id = g.Vertices[id].Parent {
		if base, ok := g.Vertices[id].Op.(*plan.Base); ok {
			return len(base.Layers)
		}
	}
	return 0
}

func (b *Builder) squashImage(
	ctx context.Context, j *job, p *part, img *export.Image, solved *solve.Result,
) (err error) {
	below := baseLayers(j.solved, img.RootFS)
	opt := diff.Options{Compress: compress.Options{
		Compression: compress.Compression(p.req.Compression), Level: p.req.Level,
	}}
	if img.Epoch != nil {
		opt.SourceDate = *img.Epoch
	}
	made, err := b.difference(ctx, img, below, opt)
	if err == nil {
		err = j.lease.Add(ctx, made.Blob.Digest.String())
	}
	if err != nil {
		return err
	}
	from, to := chainOf(img.Layers[:below]), chainOf(img.Layers)
	latest := time.Time{}
	for _, h := range img.History {
		if h.Vertex >= 0 && solved.Made[h.Vertex].Layer && solved.Made[h.Vertex].Created.After(latest) {
			latest = solved.Made[h.Vertex].Created
		}
	}
	comment := "merge " + string(to) + " to " + string(from)
	if below == 0 {
		comment = "merge " + string(to)
	}
	img.Layers = append(img.Layers[:below:below], made)
	img.History = append(img.History[:len(img.History):len(img.History)],
		plan.History{History: ocispec.History{Comment: comment}, Vertex: squashed})
	img.Made = func(id plan.ID) (bool, time.Time) { return id == squashed, latest }
	return nil
}

// difference packs what an image's files have over those of its base.
func (b *Builder) difference(
	ctx context.Context, img *export.Image, below int, opt diff.Options,
) (_ layers.Layer, err error) {
	after, err := img.Open(ctx)
	if err != nil {
		return layers.Layer{}, err
	}
	defer func() { err = errors.Join(err, after.Close()) }()
	before, err := b.openFiles(ctx, string(chainOf(img.Layers[:below])))
	if err != nil {
		return layers.Layer{}, err
	}
	defer func() { err = errors.Join(err, before.Close()) }()
	m := mount.Mount{Type: "bind", Source: after.Dir()}
	if below > 0 {
		m.Lower = []string{before.Dir()}
	}
	made, err := diff.Commit(ctx, b.cfg.Content, m, opt)
	return made.Layer, err
}

func chainOf(all []layers.Layer) layers.ChainID {
	ids := make([]layers.DiffID, len(all))
	for i, l := range all {
		ids[i] = l.DiffID
	}
	return layers.Chain(ids...)
}
