package builder

import (
	"context"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"cove/builder/estargz"
	"cove/builder/export"
	"cove/builder/solve"
	"cove/builder/state"
	"cove/layers"
	"cove/layers/compress"
)

// packing is how the steps of a request pack their layers. What becomes estargz is gzip
// first, as it is in the cache.
func (r Request) packing() compress.Options {
	if r.Compression == estargz.Name {
		return compress.Options{}
	}
	return compress.Options{Compression: compress.Compression(r.Compression), Level: r.Level}
}

// pack gives the images of a part layers that can be read before all of them is there, if
// the request asks for it. Those of the base stay as they are.
func (b *Builder) pack(ctx context.Context, j *job, p *part) error {
	if p.req.Compression != estargz.Name {
		return nil
	}
	packer := estargz.Packer{
		Content: b.cfg.Content, Records: b.records(), Level: p.req.Level, Now: b.cfg.Now,
	}
	keep := func(d digest.Digest) error { return j.lease.Add(ctx, d.String()) }
	return j.report.Step(p.step("packing layers as estargz"), func() error {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(2) // each is packed on one core, and unpacked beside
		for i := range p.made.Images {
			img := &p.made.Images[i]
			img.Layers = append([]layers.Layer(nil), img.Layers...)
			for k := j.solved.BaseLayers(img.RootFS); k < len(img.Layers); k++ {
				g.Go(func() (err error) {
					img.Layers[k], err = packer.Pack(gctx, img.Layers[k], keep)
					return err
				})
			}
		}
		return about(p, g.Wait())
	})
}

// records are those of the cache here.
func (b *Builder) records() solve.Cache {
	if b.cfg.Cache != nil {
		return b.cfg.Cache
	}
	return state.Open(b.cfg.Root, b.cfg.Now).Records()
}

// layersOfAll are the layers of several images.
func layersOfAll(images []export.Image) (all []layers.Layer) {
	for _, img := range images {
		all = append(all, img.Layers...)
	}
	return all
}
