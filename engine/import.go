package engine

import (
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/images"
)

// Changes makes a config of Dockerfile instructions that only change the
// config, as CMD, for an image of a platform. Its errors are about the
// instructions (errdefs.ErrInvalid).
type Changes func(ctx context.Context, instructions []string, platform ocispec.Platform) (ocispec.ImageConfig, error)

// Import makes an image of one layer from the tar of a root filesystem.
// changes are Dockerfile instructions that only change the config, as CMD.
func (e *Engine) Import(
	ctx context.Context, r io.Reader, changes []string, o images.ImportOptions,
) (images.Image, error) {
	cfg, err := e.applyChanges(ctx, changes, o.Platform)
	if err != nil {
		return images.Image{}, err
	}
	o.Config = cfg
	store, err := e.images()
	if err != nil {
		return images.Image{}, err
	}
	return store.Import(ctx, r, o)
}

func (e *Engine) applyChanges(
	ctx context.Context, changes []string, platform ocispec.Platform,
) (ocispec.ImageConfig, error) {
	if len(changes) == 0 {
		return ocispec.ImageConfig{}, nil
	}
	if e.cfg.Changes == nil {
		return ocispec.ImageConfig{}, errdefs.Errorf(errdefs.ErrUnsupported,
			"engine: it was opened without a way to apply Dockerfile instructions")
	}
	return e.cfg.Changes(ctx, changes, platform)
}
