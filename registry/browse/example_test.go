package browse_test

import (
	"fmt"

	"cove/registry/browse"
)

// An artifact is asked for by its repository and a tag or a digest.
func ExampleParseName() {
	for _, text := range []string{
		"team/app:v1", "team/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "team/app",
	} {
		n, err := browse.ParseName(text)
		fmt.Printf("%q %q %.15s %v\n", n.Repository, n.Tag, n.Digest, err)
	}
	// Output:
	// "team/app" "v1"  <nil>
	// "team/app" "" sha256:e3b0c442 <nil>
	// "" ""  artifact "team/app" is not REPOSITORY:TAG or REPOSITORY@DIGEST
}
