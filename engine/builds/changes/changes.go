// Package changes reads what commit and import change in an image: instructions of a
// Dockerfile that only change the config.
package changes

import (
	"context"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
)

var errOnlyConfig = errdefs.Errorf(errdefs.ErrInvalid,
	"only instructions that change the config are possible here: CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME")

// Read makes a config of Dockerfile instructions that only change the
// config, as CMD; it is an engine.Changes. The zero platform is this machine's.
func Read(ctx context.Context, changes []string, platform ocispec.Platform) (ocispec.ImageConfig, error) {
	if platform.OS == "" {
		platform = platforms.Host()
	}
	src := "FROM scratch\n" + strings.Join(changes, "\n") + "\n"
	graph, err := dockerfile.Plan(ctx, []byte(src), dockerfile.Options{
		Name: "changes", Platform: platform, Build: platform,
		Resolve: func(context.Context, string, ocispec.Platform) (plan.Base, error) {
			return plan.Base{},
				errOnlyConfig
		},
	})
	if err != nil {
		return ocispec.ImageConfig{}, fmt.Errorf("changing the image's config: %w", err)
	}
	if len(graph.Vertices) > 1 {
		return ocispec.ImageConfig{}, errOnlyConfig
	}
	return graph.Target.Config.ImageConfig, nil
}
