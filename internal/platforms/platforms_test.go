package platforms

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	list := func(platforms ...string) (descs []ocispec.Descriptor) {
		for _, s := range platforms {
			d := ocispec.Descriptor{Digest: digest.FromString(s)}
			if s != "" {
				os, rest, _ := strings.Cut(s, "/")
				arch, variant, _ := strings.Cut(rest, "/")
				d.Platform = &ocispec.Platform{OS: os, Architecture: arch, Variant: variant}
			}
			descs = append(descs, d)
		}
		return descs
	}
	tests := []struct {
		want string
		from []string
		pick string
	}{
		{"linux", []string{"linux/" + Host().Architecture, "windows/amd64"}, "linux/" + Host().Architecture},
		{"linux/amd64", []string{"linux/arm64", "linux/amd64"}, "linux/amd64"},
		{"amd64", []string{"linux/amd64/v1", "windows/amd64"}, "linux/amd64/v1"},
		{"linux/arm64", []string{"linux/arm/v7", "linux/arm64/v8"}, "linux/arm64/v8"},
		{"linux/arm/v7", []string{"linux/arm/v5", "linux/arm/v6", "linux/arm64"}, "linux/arm/v6"},
		{"linux/arm/v7", []string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7"},
		{"x86_64", []string{"linux/amd64/v3", "linux/amd64"}, "linux/amd64"},
		{"linux/amd64", []string{"unknown/unknown", ""}, ""},
	}
	for _, tt := range tests {
		p, err := Parse(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Choose(list(tt.from...), p)
		if err != nil || got.Digest != digest.FromString(tt.pick) {
			t.Errorf("%s of %q: %+v, %v", tt.want, tt.from, got.Platform, err)
		}
	}
	if _, err := Choose(list("linux/s390x", "unknown/unknown"), Host()); !errors.Is(err, errdefs.ErrNotFound) || strings.Contains(err.Error(), "unknown") {
		t.Errorf("none that suits: %v", err)
	}
}

func TestParseRefusesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "is an invalid OS component; want OS/ARCH", "   ": `"   " is an invalid OS component`, "/": "is an invalid OS component", "linux/": "want OS/ARCH", "/amd64": "want OS/ARCH", "a/b/c/d": "want OS/ARCH", "linux/arm/": "want OS/ARCH",
		"foo": `unknown operating system or architecture "foo"; there are amd64`, "li nux/amd64": "invalid OS component",
		"linux/am^d64": `"am^d64" is an invalid component`, "linux/amd46": "no architecture", "lunix/amd64": `no system "lunix"`,
		"linux/arm/v9": `arm has no variant "v9"; it has v5`, "linux/amd64/x": "no variant",
	} {
		if _, err := Parse(in); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", in, err, want)
		}
	}
	for _, several := range []string{"linux/amd64,linux/arm64", "amd64,", ","} {
		if _, err := Parse(several); !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "one platform at a time") {
			t.Errorf("Parse(%q): %v", several, err)
		}
	}
	host := Format(ocispec.Platform{OS: "", Architecture: Host().Architecture, Variant: Host().Variant})[1:]
	for in, want := range map[string]string{
		"aarch64": "linux/arm64", "linux": "linux/" + host, "LINUX": "linux/" + host, "macos": "darwin/" + host, "linux/sparc64": "linux/sparc64", "linux/arm64/v8.2": "linux/arm64/v8.2", "Linux/X86_64": "linux/amd64", "arm": "linux/arm/v7",
		"armv7l": "linux/arm/v7", "macos/arm64": "darwin/arm64", "windows/amd64": "windows/amd64", "linux/riscv64": "linux/riscv64",
	} {
		if p, err := Parse(in); err != nil || Format(p) != want {
			t.Errorf("Parse(%q) = %s, %v; want %s", in, Format(p), err, want)
		}
	}
}
