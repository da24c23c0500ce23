package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/distributiontest"
	"cove/distribution/server"
)

// TestReferrersPages follows the links of a list that is larger than an answer may
// be: none is over 4 MiB, the filter stays, and all are there once.
func TestReferrersPages(t *testing.T) {
	t.Parallel()
	mem := distributiontest.NewMemory(distributiontest.StoreOf(t))
	subject := distributiontest.Blob(ocispec.MediaTypeImageManifest, []byte("a subject that need not be there"))
	up, err := mem.StartUpload(t.Context(), "team/app")
	if err != nil {
		t.Fatal(err)
	}
	config := distributiontest.Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if _, err := up.Write([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := up.Commit(t.Context(), config.Digest); err != nil {
		t.Fatal(err)
	}
	const all = 1200
	for i := range all {
		m := distributiontest.NewManifest(t, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Subject: &subject,
			ArtifactType: fmt.Sprint("application/kind+", i%2), Config: config, Layers: []ocispec.Descriptor{config},
			Annotations: map[string]string{"note": strings.Repeat("<", 8000) + fmt.Sprint(i)},
		})
		if _, err := mem.PutManifest(t.Context(), "team/app", m); err != nil {
			t.Fatal(err)
		}
	}
	h, err := server.New(server.Config{Registry: mem, Authorizer: server.AllowAll{}})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"": all, "?artifactType=application/kind%2B1": all / 2, "?n=100": all} {
		seen := map[string]bool{}
		pages := 0
		for path := "/v2/team/app/referrers/" + subject.Digest.String() + query; path != ""; pages++ {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			body, err := io.ReadAll(w.Body)
			var index ocispec.Index
			if err != nil || w.Code != http.StatusOK || len(body) > 4<<20 || json.Unmarshal(body, &index) != nil || pages > 50 {
				t.Fatalf("%s: %d, %d bytes, %v", path, w.Code, len(body), err)
			}
			for _, d := range index.Manifests {
				seen[d.Digest.String()] = true
			}
			link := w.Header().Get("Link")
			path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		}
		if len(seen) != want || pages < 2 {
			t.Errorf("%q: %d referrers in %d pages, want %d", query, len(seen), pages, want)
		}
	}
}
