package export

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/content"
	"cove/content/memstore"
	"cove/distribution/copy"
	"cove/errdefs"
)

func load[T any](t *testing.T, from content.Provider, desc ocispec.Descriptor) (v T) {
	t.Helper()
	data, err := content.ReadBlob(t.Context(), from, desc)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAttestationsAreLaidOutAsBuildKitDoes: a manifest for no platform that says by
// annotations which image it is about, with a layer for each statement.
func TestAttestationsAreLaidOutAsBuildKitDoes(t *testing.T) {
	t.Parallel()
	blobs := memstore.New(time.Now)
	img := Image{
		Image:        plan.Image{RootFS: plan.None, Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}},
		Attestations: []Attestation{{Type: "https://slsa.dev/provenance/v1", Predicate: json.RawMessage(`{"a":1}`)}},
	}
	b := Build{Images: []Image{img}, Hold: func(context.Context, ...digest.Digest) error { return nil }}
	bare, err := Store{Content: blobs}.Export(t.Context(), b)
	if err != nil || bare.Target.MediaType != ocispec.MediaTypeImageManifest {
		t.Fatal(bare.Target, err)
	}
	made, err := Store{Content: blobs, Attest: AllDocuments, Names: []string{"app:v1"}}.Export(t.Context(), b)
	if err != nil || made.Config != bare.Config || made.Target.MediaType != ocispec.MediaTypeImageIndex {
		t.Fatal(made, err)
	}
	index := load[ocispec.Index](t, blobs, made.Target)
	if len(index.Manifests) != 2 || index.Manifests[0].Digest != bare.Target.Digest {
		t.Fatalf("%+v", index.Manifests)
	}
	about := index.Manifests[1]
	want := map[string]string{
		"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": bare.Target.Digest.String(),
	}
	if diff := cmp.Diff(want, about.Annotations); diff != "" || about.Platform.OS != "unknown" || about.Platform.Architecture != "unknown" {
		t.Errorf("%+v %s", about.Platform, diff)
	}
	m := load[ocispec.Manifest](t, blobs, about)
	layer := m.Layers[0]
	if layer.MediaType != "application/vnd.in-toto+json" || layer.Annotations["in-toto.io/predicate-type"] != "https://slsa.dev/provenance/v1" {
		t.Errorf("%+v", layer)
	}
	if config := load[ocispec.Image](t, blobs, m.Config); config.RootFS.DiffIDs[0] != layer.Digest || config.OS != "unknown" {
		t.Errorf("%+v", config)
	}
	got := load[statement](t, blobs, layer)
	wantStatement := statement{
		Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1",
		Subject: []subject{{
			Name: "pkg:docker/app@v1?platform=linux%2Farm64", Digest: map[string]string{"sha256": bare.Target.Digest.Encoded()},
		}},
		Predicate: json.RawMessage(`{"a":1}`),
	}
	if diff := cmp.Diff(wantStatement, got); diff != "" {
		t.Error(diff)
	}
	kind, predicate, err := Predicate(t.Context(), copy.Store{Content: blobs}, index, bare.Target.Digest, "https://slsa.dev/provenance/")
	if err != nil || kind != wantStatement.PredicateType || string(predicate) != `{"a":1}` {
		t.Errorf("read back: %s %s %v", kind, predicate, err)
	}
	for image, kind := range map[digest.Digest]string{bare.Target.Digest: "https://spdx.dev/", bare.Config: "https://slsa.dev/"} {
		if _, _, err := Predicate(t.Context(), copy.Store{Content: blobs}, index, image, kind); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s about %s: %v", kind, image, err)
		}
	}
	if n := len(made.Blobs()); n != 6 { // index, image and config, attestation, its config and statement
		t.Errorf("%d blobs", n)
	}
}

// TestStatementsHaveASubject, also of an image without a name.
func TestStatementsHaveASubject(t *testing.T) {
	t.Parallel()
	about := ocispec.Descriptor{Digest: digest.FromString("m"), Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}}
	want := []subject{{Name: "_", Digest: map[string]string{"sha256": about.Digest.Encoded()}}}
	if diff := cmp.Diff(want, (Store{}).subjects(about)); diff != "" {
		t.Error(diff)
	}
}
