package builds

import (
	"context"

	"cove/builder/export"
	"cove/engine/builds/stream"
	"cove/layers"
)

// pushed is a named image that goes to the registries of its names too: its layers as
// soon as they are finished, the image itself at the end.
type pushed struct {
	*named
	to stream.Push
}

// Begin implements export.Early.
func (p *pushed) Begin(ctx context.Context, step func(name string) export.Step) (func(layers.Layer), func()) {
	return p.to.Begin(ctx, step), p.to.Stop
}

// Export implements export.Exporter. The names here are durable before any registry's
// is moved.
func (p *pushed) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	made, err := p.named.Export(ctx, b)
	if err == nil {
		err = p.to.Finish(ctx, b.Log)
	}
	return made, err
}
