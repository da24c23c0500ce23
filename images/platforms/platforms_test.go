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
	for _, bad := range []string{"", "linux/", "/amd64", "a/b/c/d"} {
		if _, err := Parse(bad); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("Parse(%q): %v", bad, err)
		}
	}
}
