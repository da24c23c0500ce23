// Package platforms chooses which image of an index suits a machine.
package platforms

import (
	"runtime"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// Host is the platform of this machine.
func Host() ocispec.Platform {
	return normalize(ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// Parse reads OS/ARCH[/VARIANT], or ARCH alone, as "linux/arm64".
func Parse(s string) (ocispec.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	if len(parts) == 1 {
		parts = append([]string{"linux"}, parts...)
	}
	if len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return ocispec.Platform{}, errdefs.Errorf(errdefs.ErrInvalid, "platform %q: want OS/ARCH or OS/ARCH/VARIANT, as linux/arm64", s)
	}
	p := ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return normalize(p), nil
}

// Format is the reverse of Parse.
func Format(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// normalize gives the several spellings of an architecture one.
func normalize(p ocispec.Platform) ocispec.Platform {
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	case "i386", "i686":
		p.Architecture = "386"
	}
	// The variants that every machine of the architecture has go unsaid.
	if p.Architecture == "arm64" && p.Variant == "v8" || p.Architecture == "amd64" && p.Variant == "v1" {
		p.Variant = ""
	}
	if p.Architecture == "arm" && p.Variant == "" {
		p.Variant = "v7"
	}
	return p
}

// Rank says how well an image's platform suits the wanted one: 0 is not at
// all, more is better. An index entry without a platform suits a little.
func Rank(have *ocispec.Platform, want ocispec.Platform) int {
	if have == nil || have.OS == "" && have.Architecture == "" {
		return 1
	}
	h, w := normalize(*have), normalize(want)
	switch {
	case h.OS != w.OS || h.Architecture != w.Architecture:
		return 0
	case h.Variant == w.Variant:
		return 200
	case h.Variant == "":
		return 100
	case w.Architecture == "arm" && len(h.Variant) == 2 && h.Variant < w.Variant:
		return int(h.Variant[1]) // older variants run on newer machines, the newest of them best
	}
	return 0
}

// Choose picks the manifest of an index for a platform, as the first of the
// best, or fails with errdefs.ErrNotFound. Attestations carry the platform unknown/unknown and suit no one.
func Choose(manifests []ocispec.Descriptor, want ocispec.Platform) (ocispec.Descriptor, error) {
	var best ocispec.Descriptor
	var offered []string
	top := 0
	for _, m := range manifests {
		if r := Rank(m.Platform, want); r > top {
			best, top = m, r
		}
		if m.Platform != nil && m.Platform.OS != "unknown" {
			offered = append(offered, Format(*m.Platform))
		}
	}
	if top == 0 {
		return best, errdefs.Errorf(errdefs.ErrNotFound, "no image for %s in it; it offers %s", Format(want), strings.Join(offered, ", "))
	}
	return best, nil
}
