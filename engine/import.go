package engine

import (
	"context"
	"io"

	"cove/images"
)

// Import makes an image of one layer from the tar of a root filesystem.
// changes are Dockerfile instructions that only change the config, as CMD.
func (e *Engine) Import(
	ctx context.Context, r io.Reader, changes []string, o images.ImportOptions,
) (images.Image, error) {
	cfg, err := e.parts.Apply(ctx, changes, o.Platform)
	if err != nil {
		return images.Image{}, err
	}
	o.Config = cfg
	store, err := e.parts.Images()
	if err != nil {
		return images.Image{}, err
	}
	return store.Import(ctx, r, o)
}
