package platforms_test

import (
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/internal/platforms"
)

// Of an index the image for a platform is chosen, a compatible one where there is none
// of just that variant.
func ExampleChoose() {
	want, _ := platforms.Parse("linux/arm/v7")
	of := []ocispec.Descriptor{
		{Digest: "sha256:amd64", Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}},
		{Digest: "sha256:armv6", Platform: &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}},
	}
	desc, err := platforms.Choose(of, want)
	fmt.Println(desc.Digest, err)
	// Output: sha256:armv6 <nil>
}
