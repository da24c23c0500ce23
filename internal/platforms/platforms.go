// Package platforms reads the names of platforms and chooses which image of an index suits a machine.
package platforms

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// Host is the platform of this machine.
func Host() ocispec.Platform {
	return normalize(ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// systems and architectures are what an image can be for: those of Go's own
// list (GOOS and GOARCH), by which the image specification names them.
var (
	systems = []string{
		"linux", "windows", "freebsd", "darwin", "netbsd", "openbsd", "dragonfly", "solaris", "illumos", "aix", "plan9",
		"android", "ios", "js", "wasip1", "wasi",
	}
	architectures = []string{
		"amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le", "mips64", "mipsle",
		"mips", "ppc64", "ppc", "sparc64", "sparc", "s390", "riscv", "wasm",
	}
	// variants are of the architectures that have a fixed set of them; what
	// follows a dot, as in "v8.2", is not looked at.
	variants = map[string][]string{
		"amd64": {"v1", "v2", "v3", "v4"}, "arm64": {"v8", "v9"}, "arm": {"v5", "v6", "v7", "v8"},
	}
)

// component is what may stand between the slashes.
const component = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

// Parse reads OS/ARCH[/VARIANT], or one of the two alone: OS is then of this
// machine's architecture, and ARCH of linux. What is no platform that exists is
// errdefs.ErrInvalid; several, with commas between them, are errdefs.ErrUnsupported.
func Parse(s string) (ocispec.Platform, error) {
	if strings.Contains(s, ",") {
		return ocispec.Platform{}, errdefs.Errorf(errdefs.ErrUnsupported,
			"platform %q: this is done for one platform at a time: name one", s)
	}
	p, err := read(strings.Split(strings.ToLower(s), "/"))
	if err == nil {
		err = known(p)
	}
	if err != nil {
		return ocispec.Platform{}, errdefs.Errorf(errdefs.ErrInvalid, "platform %q: %w", s, err)
	}
	return p, nil
}

// read makes a platform of its parts.
func read(parts []string) (p ocispec.Platform, err error) {
	for i, part := range parts {
		switch {
		case part != "" && strings.Trim(part, component) == "":
		case i == 0:
			return p, fmt.Errorf("%q is an invalid OS component; want OS/ARCH or OS/ARCH/VARIANT, as linux/arm64", part)
		default:
			return p, fmt.Errorf("%q is an invalid component; want OS/ARCH or OS/ARCH/VARIANT, as linux/arm64", part)
		}
	}
	switch len(parts) {
	case 1:
		return alone(parts[0])
	case 2:
		p.OS, p.Architecture = parts[0], parts[1]
	case 3:
		p.OS, p.Architecture, p.Variant = parts[0], parts[1], parts[2]
	default:
		return p, errors.New("want OS/ARCH or OS/ARCH/VARIANT, as linux/arm64")
	}
	return normalize(p), nil
}

// alone is the platform that one word means: a system or an architecture.
func alone(word string) (ocispec.Platform, error) {
	p := normalize(ocispec.Platform{OS: word, Architecture: runtime.GOARCH})
	if slices.Contains(systems, p.OS) {
		return p, nil
	}
	p = normalize(ocispec.Platform{OS: "linux", Architecture: word})
	if slices.Contains(architectures, p.Architecture) {
		return p, nil
	}
	return p, fmt.Errorf("unknown operating system or architecture %q; there are %s, on %s", word,
		strings.Join(architectures, ", "), strings.Join(systems, ", "))
}

// known says which part of a platform does not exist.
func known(p ocispec.Platform) error {
	variant, _, _ := strings.Cut(p.Variant, ".")
	set, fixed := variants[p.Architecture]
	switch {
	case !slices.Contains(systems, p.OS):
		return fmt.Errorf("there is no system %q; there are %s", p.OS, strings.Join(systems, ", "))
	case !slices.Contains(architectures, p.Architecture):
		return fmt.Errorf("there is no architecture %q; there are %s", p.Architecture,
			strings.Join(architectures, ", "))
	case fixed && variant != "" && !slices.Contains(set, variant):
		return fmt.Errorf("%s has no variant %q; it has %s", p.Architecture, p.Variant, strings.Join(set, ", "))
	}
	return nil
}

// Format is the reverse of Parse.
func Format(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// normalize gives the several spellings of a system and an architecture one.
func normalize(p ocispec.Platform) ocispec.Platform {
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "armhf", "armv7l":
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
		return best, errdefs.Errorf(errdefs.ErrNotFound, "no image for %s in it; it offers %s", Format(want),
			strings.Join(offered, ", "))
	}
	return best, nil
}
