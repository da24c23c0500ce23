package registrycmd

import (
	"strings"
	"testing"

	"cove/distribution/distributiontest"
)

// TestSparseIndexes pushes an index of two manifests of which one is there: it is
// refused, then taken, and what comes later belongs to it.
func TestSparseIndexes(t *testing.T) {
	t.Parallel()
	p := people{t, serve(t, t.TempDir(), "--tls=off")}
	one, two := distributiontest.NewImage(t, 1, 3000), distributiontest.NewImage(t, 2, 3000)
	p.registry.pushImage("team/app", "one", one)
	index := distributiontest.Index(t, one.Manifest.Descriptor, two.Manifest.Descriptor)
	push := func(want int) {
		t.Helper()
		status, _, body := p.registry.do("PUT", "/v2/team/app/manifests/all", index.Body, "Content-Type", index.Descriptor.MediaType)
		if status != want || want != 201 && !strings.Contains(string(body), two.Manifest.Descriptor.Digest.Encoded()) {
			t.Errorf("push of the index: %d %s", status, body)
		}
	}
	push(400)
	p.run(0, "", "project", "sparse", "team")
	push(201)
	if status, _, _ := p.registry.do("GET", "/v2/team/app/manifests/"+two.Manifest.Descriptor.Digest.String(), nil); status != 404 {
		t.Errorf("what never came: %d", status)
	}
	p.registry.pushImage("team/app", "two", two)
	if status, _, body := p.registry.do("DELETE", "/v2/team/app/manifests/"+two.Manifest.Descriptor.Digest.String(), nil); status != 409 {
		t.Errorf("what the index needs now: %d %s", status, body)
	}
	p.run(0, "", "project", "sparse", "team", "--off")
	p.run(1, "does not exist", "project", "sparse", "nobody")
	index = distributiontest.Index(t, two.Manifest.Descriptor, distributiontest.NewImage(t, 3, 10).Manifest.Descriptor)
	if status, _, _ := p.registry.do("PUT", "/v2/team/app/manifests/more", index.Body, "Content-Type", index.Descriptor.MediaType); status != 400 {
		t.Errorf("refused again: %d", status)
	}
}
