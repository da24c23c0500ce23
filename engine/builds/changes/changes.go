// Package changes reads what commit and import change in an image: instructions of a
// Dockerfile that only change the config.
package changes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/images/image"
	"cove/internal/platforms"
)

var errOnlyConfig = errdefs.Errorf(errdefs.ErrInvalid,
	"only instructions that change the config are possible here: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR")

// base is what the changes are made over: no image of people's can have its name.
const base = "changed.invalid/image"

// Read makes a config of Dockerfile instructions that only change the
// config, as CMD; it is an engine.Changes. The zero platform is this machine's.
// Of the image the variables are there, for ENV PATH=/x:$PATH, and the working directory,
// for one within it; both are in the result.
func Read(ctx context.Context, changes []string, of ocispec.Image) (image.Config, error) {
	if of.OS == "" {
		of.Platform = platforms.Host()
	}
	from := "scratch"
	if len(of.Config.Env) > 0 || of.Config.WorkingDir != "" {
		from = base
	}
	src := "FROM " + from + "\n" + strings.Join(changes, "\n") + "\n"
	graph, err := dockerfile.Plan(ctx, []byte(src), dockerfile.Options{
		Name: "changes", Platform: of.Platform, Build: of.Platform,
		Resolve: func(_ context.Context, name string, _ ocispec.Platform) (plan.Base, error) {
			if !strings.HasPrefix(name, base) {
				return plan.Base{}, errOnlyConfig
			}
			known := ocispec.ImageConfig{Env: of.Config.Env, WorkingDir: of.Config.WorkingDir}
			return plan.Base{Name: name, Config: ocispec.Image{Platform: of.Platform, Config: known}}, nil
		},
	})
	if err != nil {
		return image.Config{}, fmt.Errorf("changing the image's config: %w", err)
	}
	for _, v := range graph.Vertices {
		switch v.Op.(type) {
		case *plan.Base, *plan.Workdir: // a directory that a container's start makes as well
		default:
			return image.Config{}, errOnlyConfig
		}
	}
	return made(graph.Target.Config)
}

// made is the config that came of it.
func made(c plan.Config) (image.Config, error) {
	raw, err := json.Marshal(c.DockerOCIImageConfigExt)
	if err != nil {
		return image.Config{}, err
	}
	out := image.Config{ImageConfig: c.ImageConfig}
	return out, json.Unmarshal(raw, &out.Added)
}
