package errcode_test

import (
	"fmt"

	"cove/distribution/errcode"
	"cove/errdefs"
)

// A kind of error and the object that a request was about make the specification's code.
func ExampleFor() {
	err := errdefs.Errorf(errdefs.ErrNotFound, "no such thing")
	for _, about := range []errcode.Object{errcode.Blob, errcode.Manifest, errcode.Upload} {
		e := errcode.For(err, about)
		fmt.Println(about, e.Status, e.Code)
	}
	// Output:
	// blob 404 BLOB_UNKNOWN
	// manifest 404 MANIFEST_UNKNOWN
	// upload 404 BLOB_UPLOAD_UNKNOWN
}
