package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

// old is a registry from before referrers: it takes a subject for any key.
type old struct{ *distributiontest.Memory }

func (o old) PutManifest(ctx context.Context, repo string, m distribution.Manifest, tags ...string) (digest.Digest, error) {
	_, err := o.Memory.PutManifest(ctx, repo, m, tags...)
	return "", err
}

// TestReferrers attaches two artifacts to an image, at a registry that lists
// referrers and at one that does not.
func TestReferrers(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		mem := distributiontest.NewMemory(distributiontest.StoreOf(t))
		h := distributiontest.Handler(t, t.Context(), mem)
		if before {
			inner := distributiontest.Handler(t, t.Context(), old{mem})
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/referrers/") {
					http.NotFound(w, r)
					return
				}
				inner.ServeHTTP(w, r)
			})
		}
		host := distributiontest.Listen(t, h)
		img := distributiontest.NewImage(t, 1, 10)
		push(t, host, "x/image", img)
		c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
		repo := c.Repository(host, "x/image")
		empty := distributiontest.Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
		for _, kind := range []string{"application/sbom", "application/signature", "application/sbom"} {
			m := distributiontest.NewManifest(t, ocispec.Manifest{
				Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: kind,
				Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &img.Manifest.Descriptor,
			})
			if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "", m.Descriptor, distributiontest.Store(t, []byte("{}"), m.Body)); err != nil {
				t.Fatal(err)
			}
		}
		for kind, want := range map[string]int{"": 2, "application/sbom": 1, "application/none": 0} {
			got, err := repo.Referrers(t.Context(), img.Manifest.Descriptor.Digest, kind)
			if err != nil || len(got) != want {
				t.Errorf("before=%v: Referrers(%q) = %v, %v; want %d", before, kind, got, err, want)
			}
		}
		if got, err := repo.Referrers(t.Context(), digest.FromString("unseen"), ""); err != nil || len(got) != 0 {
			t.Errorf("before=%v: of nothing: %v, %v", before, got, err)
		}
	}
}

func TestPushManifestChecks(t *testing.T) {
	t.Parallel()
	c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
	body := []byte(`{"schemaVersion":2}`)
	err := c.Repository("127.0.0.1:1", "x/y").PushManifest(t.Context(), "v1", distributiontest.Blob(ocispec.MediaTypeImageManifest, body), body)
	if !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
