package dockerfile

import (
	"context"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile/values"
	"cove/builder/plan"
)

// The values of options that come with the request, as those of --network and
// --security of a RUN do with the Dockerfile.
var (
	networks     = []string{instructions.NetworkDefault, instructions.NetworkNone, instructions.NetworkHost}
	entitlements = []string{"network.host", "security.insecure", values.Device}
)

// check refuses options that mean nothing.
func (o Options) check() error {
	if o.Network != "" && !slices.Contains(networks, o.Network) {
		return invalid("network %q of a build is none of %s", o.Network, strings.Join(networks, ", "))
	}
	for _, e := range o.Allow {
		if !slices.Contains(entitlements, e) && !strings.HasPrefix(e, values.Device+"=") {
			return invalid("the entitlement %q is none of %s", e, strings.Join(entitlements, ", ")+"[=NAME]")
		}
	}
	return nil
}

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
