package manifest_test

import (
	"errors"
	"fmt"

	"cove/distribution/manifest"
	"cove/errdefs"
)

// What comes from outside is parsed once, strictly: the type that a client says has to
// be that of the document.
func ExampleParse() {
	body := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	m, err := manifest.Parse("application/vnd.oci.image.index.v1+json", body)
	fmt.Println(manifest.IsIndex(m.MediaType), err)
	_, err = manifest.Parse("application/vnd.oci.image.manifest.v1+json", body)
	fmt.Println(errors.Is(err, errdefs.ErrInvalid))
	// Output:
	// true <nil>
	// true
}
