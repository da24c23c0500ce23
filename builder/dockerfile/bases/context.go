package bases

import (
	"context"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/internal/platforms"
	"cove/reference"
)

// Context is what a name stands for that was given with the build, in place of a
// stage or an image of that name.
type Context struct {
	// Image is a name that Resolve understands; "" says that it is files, which the
	// solver knows by the name, unless there is a Build.
	Image string
	// Build plans another build, whose image it is.
	Build func(ctx context.Context, platform ocispec.Platform) (*plan.Graph, error)
}

// Files says whether the context is a directory.
func (c Context) Files() bool { return c.Image == "" && c.Build == nil }

// Contexts are what names stand for: NAME, or NAME::PLATFORM.
type Contexts map[string]Context

// Find finds the context of a name, and the name that it was given under.
func (all Contexts) Find(name string, platform ocispec.Platform) (given string, c Context, ok bool) {
	for _, key := range []string{name + "::" + platforms.Format(platform), name} {
		if c, ok := all[key]; ok {
			return key, c, true
		}
		for given, c := range all {
			if strings.EqualFold(given, key) || sameImage(given, key) {
				return given, c, true
			}
		}
	}
	return "", Context{}, false
}

// sameImage says whether two names are of one image, as alpine and
// docker.io/library/alpine:latest.
func sameImage(a, b string) bool {
	x, err := reference.Parse(a)
	if err != nil {
		return false
	}
	y, err := reference.Parse(b)
	return err == nil && x.String() == y.String()
}
