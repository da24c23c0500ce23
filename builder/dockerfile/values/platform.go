package values

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/internal/platforms"
)

// Platform reads a platform that can be built for.
func Platform(s string) (ocispec.Platform, error) {
	p, err := platforms.Parse(s)
	if err == nil && p.OS != "linux" {
		err = errdefs.Errorf(errdefs.ErrUnsupported, "platform %q: only linux images are built", s)
	}
	return p, err
}
