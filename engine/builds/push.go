package builds

import (
	"context"
	"errors"

	"cove/builder/export"
	"cove/builder/remotecache"
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

// Needs implements export.Exporter. A layer that the registry has, or can mount, stays
// there until somebody here uses the image.
func (p *pushed) Needs() export.Needs { return export.Needs{Blobs: true, Anywhere: true} }

// Export implements export.Exporter. The names here are durable before any registry's
// is moved. An image that could not be pushed is whole here: nobody else may have it.
func (p *pushed) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	made, err := p.named.Export(ctx, b)
	if err != nil {
		return made, err
	}
	if err = p.to.Finish(ctx, b); err != nil && !errors.Is(err, remotecache.ErrLost) {
		err = errors.Join(err, b.Rest.Bring(ctx))
	}
	return made, err
}
