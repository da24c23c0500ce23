package output

import (
	"testing"

	"cove/builder/export"
)

// TestWhichOutputsAreAttested: the usual document goes where the image is made for
// others, one that was asked for wherever it has a place.
func TestWhichOutputsAreAttested(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		out  Output
		want export.Documents
	}{
		{Output{Type: Registry, Push: true}, export.AllDocuments},
		{Output{Type: Image, Push: true}, export.AllDocuments},
		{Output{Type: OCI}, export.AllDocuments},
		{Output{Type: Image}, export.Asked},
		{Output{Type: Docker}, export.NoDocuments},
		{Output{Type: Registry, Push: true, DockerTypes: true}, export.NoDocuments},
	} {
		if got := c.out.Documents(); got != c.want {
			t.Errorf("%+v: %v", c.out, got)
		}
	}
}
