package dockerfile

import (
	"context"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
)

// checkFilter refuses to skip the cache for a stage that is not there.
func (c *converter) checkFilter() error {
	for _, name := range c.opt.NoCacheFilter {
		if _, ok := c.byName[strings.ToLower(name)]; !ok {
			return plan.At(plan.Location{File: c.opt.Name},
				invalid("no stage is called %q, whose steps are to be executed; there are: %s",
					name, c.stageNames()))
		}
	}
	return nil
}

// resolve finds an image, or what a context has in its place.
func (o Options) resolve(ctx context.Context, name string, platform ocispec.Platform) (plan.Base, error) {
	if _, given, ok := o.Contexts.Find(name, platform); ok && given.Image != "" {
		name = given.Image
	}
	return o.Resolve(ctx, name, platform)
}
