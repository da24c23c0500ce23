package builder

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/builder/estargz"
	"cove/builder/export"
	"cove/builder/repack"
	"cove/builder/solve"
	"cove/builder/state"
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

// format is how the layers of a request are packed when they are not as the steps made
// them, if it asks for that.
func (r Request) format() (f repack.Format, asked bool, err error) {
	switch {
	case r.Compression == estargz.Name:
		return estargz.Format(r.Level), true, nil
	case r.ForceCompression:
		f, err = repack.Compressed(r.packing())
		return f, true, err
	}
	return f, false, nil
}

// packsAnew says that layers of the image may be others than those of its steps.
func (r Request) packsAnew() bool { return r.ForceCompression || r.Compression == estargz.Name }

// pack gives the images of a part layers in the format that the request asks for. Those of
// the base stay as they are, unless it says that they must not.
func (b *Builder) pack(ctx context.Context, j *job, p *part) error {
	p.plain = nil
	for _, img := range p.made.Images {
		p.plain = append(p.plain, img.Layers...)
	}
	format, asked, err := p.req.format()
	if err != nil || !asked {
		return err
	}
	packer := repack.Packer{
		Format: format, Layers: p.made.Rest, Content: b.cfg.Content, Records: b.records(), Now: b.cfg.Now,
		Keep: func(ctx context.Context, d digest.Digest) error { return j.lease.Add(ctx, d.String()) },
	}
	below := func(img export.Image) int { return j.solved.BaseLayers(img.RootFS) }
	if p.req.ForceCompression {
		below = func(export.Image) int { return 0 }
	}
	return j.report.Step(p.step("packing layers as "+format.Name), func() error {
		return about(p, packer.Images(ctx, p.made.Images, below))
	})
}

// records are those of the cache here.
func (b *Builder) records() solve.Cache {
	if b.cfg.Cache != nil {
		return b.cfg.Cache
	}
	return state.Open(b.cfg.Root, b.cfg.Now).Records()
}
