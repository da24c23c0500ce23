package engine

import (
	"context"
	"fmt"
	"io"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile"
	"cove/errdefs"
	"cove/images"
	"cove/internal/platforms"
)

// Import makes an image of one layer from the tar of a root filesystem.
// changes are Dockerfile instructions that only change the config, as CMD.
func (e *Engine) Import(ctx context.Context, r io.Reader, changes []string, o images.ImportOptions) (images.Image, error) {
	cfg, err := applyChanges(ctx, changes, o.Platform)
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

func applyChanges(ctx context.Context, changes []string, platform ocispec.Platform) (ocispec.ImageConfig, error) {
	if len(changes) == 0 {
		return ocispec.ImageConfig{}, nil
	}
	if platform.OS == "" {
		platform = platforms.Host()
	}
	src := "FROM scratch\n" + strings.Join(changes, "\n") + "\n"
	graph, err := dockerfile.Plan(ctx, []byte(src), dockerfile.Options{Name: "--change", Platform: platform, Build: platform})
	if err != nil {
		return ocispec.ImageConfig{}, fmt.Errorf("--change: %w", err)
	}
	if len(graph.Vertices) > 1 {
		return ocispec.ImageConfig{}, errdefs.Errorf(errdefs.ErrInvalid,
			"--change: only instructions that change the config are possible here: CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME")
	}
	return graph.Target.Config.ImageConfig, nil
}
