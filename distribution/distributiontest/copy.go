package distributiontest

import (
	"sync"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/copy"
	"cove/distribution/progress"
)

// testCopy copies an image and what refers to it into the registry, within it, and
// out of it again, without HTTP.
func testCopy(t *testing.T, s Subject) {
	img := NewImage(t, 300, 1000, 9<<20)
	empty := Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	sbom := NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/sbom", Config: empty, Layers: []ocispec.Descriptor{empty},
		Subject: &img.Manifest.Descriptor,
	})
	origin := &copy.Local{Registry: NewMemory(Store(t)), Repo: "origin"}
	src := Store(t, sbom.Body, []byte("{}"))
	for _, m := range []struct {
		tag  string
		desc ocispec.Descriptor
		from content.Provider
	}{{"v1", img.Manifest.Descriptor, StoreOf(t, img)}, {"", sbom.Descriptor, src}} {
		_, err := copy.Copy(t.Context(), origin, provider{m.from}, m.desc.Digest.String(), copy.Options{Tag: m.tag})
		if err != nil {
			t.Fatal(err)
		}
	}
	a := &copy.Local{Registry: s.Registry, Repo: "suite/copy-a"}
	b := &copy.Local{Registry: s.Registry, Repo: "suite/copy-b"}
	out := &copy.Local{Registry: NewMemory(Store(t)), Repo: "out"}
	for _, step := range []struct {
		name string
		src  copy.Source
		dst  copy.Target
		kind progress.Kind // how the large layer comes to be there
	}{
		{"into", origin, a, progress.Pushed},
		{"again", origin, a, progress.AlreadyExists},
		{"within", a, b, progress.Mounted},
		{"out", b, out, progress.Pushed},
	} {
		var mu sync.Mutex
		var last progress.Kind
		desc, err := copy.Copy(s.Context, step.dst, step.src, "v1", copy.Options{
			Tag: "v1", Referrers: true, Progress: func(e progress.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Desc.Digest == img.Layers[1].Digest {
					last = e.Kind
				}
			},
		})
		if err != nil || desc.Digest != img.Manifest.Descriptor.Digest {
			t.Fatalf("%s: %s, %v", step.name, desc.Digest, err)
		}
		if last != step.kind {
			t.Errorf("%s: the layer ended as %d, want %d", step.name, last, step.kind)
		}
	}
	if descs, err := out.Referrers(t.Context(), img.Manifest.Descriptor.Digest); err != nil || len(descs) != 1 ||
		descs[0].Digest != sbom.Descriptor.Digest {
		t.Errorf("referrers at the end: %v, %v", descs, err)
	}
}
