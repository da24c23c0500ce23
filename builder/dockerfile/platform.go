package dockerfile

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// architectures maps the names that people use to those of the specification.
var architectures = map[string][2]string{
	"x86_64": {"amd64"}, "x86-64": {"amd64"}, "aarch64": {"arm64"}, "i386": {"386"}, "i686": {"386"},
	"armhf": {"arm", "v7"}, "armel": {"arm", "v6"}, "armv7l": {"arm", "v7"},
}

// ParsePlatform reads "linux/amd64", "linux/arm/v7" or "arm64".
func ParsePlatform(s string) (ocispec.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	p := ocispec.Platform{OS: "linux"}
	switch len(parts) {
	case 1:
		p.Architecture = parts[0]
	case 2:
		p.OS, p.Architecture = parts[0], parts[1]
	case 3:
		p.OS, p.Architecture, p.Variant = parts[0], parts[1], parts[2]
	}
	if p.OS == "" || p.Architecture == "" || len(parts) == 3 && p.Variant == "" {
		return p, errdefs.Errorf(errdefs.ErrInvalid, "platform %q is not OS/ARCH or OS/ARCH/VARIANT", s)
	}
	if a, ok := architectures[p.Architecture]; ok {
		p.Architecture = a[0]
		if p.Variant == "" {
			p.Variant = a[1]
		}
	}
	if p.Architecture == "arm64" && p.Variant == "v8" {
		p.Variant = ""
	}
	if p.OS != "linux" {
		return p, errdefs.Errorf(errdefs.ErrUnsupported, "platform %q: only linux images are built", s)
	}
	return p, nil
}

func formatPlatform(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
