package names_test

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/images/names"
)

// A name finds an image as people write it, or by the beginning of its id.
func ExampleFind() {
	id := digest.FromString("the config")
	target := ocispec.Descriptor{Digest: digest.FromString("the manifest")}
	all := []names.Record{
		{Name: "docker.io/library/app:v1", Target: target, Image: id},
		{Name: "docker.io/library/app:latest", Target: target, Image: digest.FromString("another config")},
	}
	for _, asked := range []string{"app:v1", "docker.io/library/app", id.Encoded()[:12], "ap"} {
		found, err := names.Find(all, asked)
		fmt.Println(found.Name, err != nil)
	}
	fmt.Println(names.Expand(all, []string{"app"}))
	// Output:
	// docker.io/library/app:v1 false
	// docker.io/library/app:latest false
	// docker.io/library/app:v1 false
	//  true
	// [docker.io/library/app:v1 docker.io/library/app:latest]
}
