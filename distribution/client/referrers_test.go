package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
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

// referrersOfOld are the answers of registries from before referrers to who asks for them.
func referrersOfOld(t *testing.T) map[string]http.HandlerFunc {
	page := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "\n<!DOCTYPE html><title>Packages</title>")
		}
	}
	away := func(to http.HandlerFunc) http.HandlerFunc {
		site := httptest.NewServer(to)
		t.Cleanup(site.Close)
		return http.RedirectHandler(site.URL+"/packages", http.StatusSeeOther).ServeHTTP
	}
	return map[string]http.HandlerFunc{
		"none": nil, "404": http.NotFound, "a page": page(http.StatusOK), "a page of 404": page(http.StatusNotFound),
		"sent to a page": away(page(http.StatusOK)), "sent to a 404": away(http.NotFound),
	}
}

// TestReferrers attaches two artifacts to an image, at a registry that lists
// referrers and at those that do not, whatever they say instead.
func TestReferrers(t *testing.T) {
	t.Parallel()
	for before, answer := range referrersOfOld(t) {
		mem := distributiontest.NewMemory(distributiontest.StoreOf(t))
		h := distributiontest.Handler(t, t.Context(), mem)
		if answer != nil {
			inner := distributiontest.Handler(t, t.Context(), old{mem})
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/referrers/") {
					answer(w, r)
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
				t.Errorf("%s: Referrers(%q) = %v, %v; want %d", before, kind, got, err, want)
			}
		}
		if got, err := repo.Referrers(t.Context(), digest.FromString("unseen"), ""); err != nil || len(got) != 0 {
			t.Errorf("%s: of nothing: %v, %v", before, got, err)
		}
	}
}

// TestReferrersTagThatIsNone: at a registry from before referrers, whose tag of the
// list names an image, nothing refers to the subject, and a push with that subject
// fails and leaves the tag. Where the list is right it says of each what it is.
func TestReferrersTagThatIsNone(t *testing.T) {
	t.Parallel()
	mem := distributiontest.NewMemory(distributiontest.StoreOf(t))
	inner := distributiontest.Handler(t, t.Context(), old{mem})
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/referrers/") {
			http.NotFound(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
	repo := c.Repository(host, "x/image")
	attach := func(subject ocispec.Descriptor) error {
		config := distributiontest.Blob("application/vnd.note", []byte("{}"))
		m := distributiontest.NewManifest(t, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			Config: config, Layers: []ocispec.Descriptor{config}, Subject: &subject, Annotations: map[string]string{"a": "b"},
		})
		return distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "", m.Descriptor, distributiontest.Store(t, []byte("{}"), m.Body))
	}
	taken, free := distributiontest.NewImage(t, 1, 10), distributiontest.NewImage(t, 2, 10)
	push(t, host, "x/image", free)
	tag := strings.ReplaceAll(taken.Manifest.Descriptor.Digest.String(), ":", "-")
	if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), tag, taken.Manifest.Descriptor, distributiontest.StoreOf(t, taken)); err != nil {
		t.Fatal(err)
	}
	if err := attach(taken.Manifest.Descriptor); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("attached beside an image: %v", err)
	}
	if got, err := repo.Referrers(t.Context(), taken.Manifest.Descriptor.Digest, ""); err != nil || len(got) != 0 {
		t.Errorf("referrers are %v (%v), want none", got, err)
	}
	if desc, err := repo.Stat(t.Context(), tag); err != nil || desc.Digest != taken.Manifest.Descriptor.Digest {
		t.Errorf("the tag is %v now (%v)", desc, err)
	}
	if err := attach(free.Manifest.Descriptor); err != nil {
		t.Fatal(err)
	}
	got, err := repo.Referrers(t.Context(), free.Manifest.Descriptor.Digest, "")
	if err != nil || len(got) != 1 || got[0].ArtifactType != "application/vnd.note" || got[0].Annotations["a"] != "b" {
		t.Errorf("referrers are %+v (%v)", got, err)
	}
}

// TestWarnings: what a registry warns of is told once, as it is written there, and
// what a terminal would obey is left out.
func TestWarnings(t *testing.T) {
	t.Parallel()
	mem := distributiontest.NewMemory(distributiontest.StoreOf(t))
	inner := distributiontest.Handler(t, t.Context(), mem)
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, v := range []string{`299 - "this \"image\" is deprecated"`, "299 - \"red \u009b31m\"", `110 - "stale"`, `299 - no quotes`} {
			w.Header().Add("Warning", v)
		}
		inner.ServeHTTP(w, r)
	}))
	var mu sync.Mutex
	var told []string
	c := distributiontest.NewClient(t, client.Config{RetryFor: -1, OnWarning: func(host, text string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, text)
	}})
	img := distributiontest.NewImage(t, 1, 10)
	repo := c.Repository(host, "x/image")
	if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := repo.Resolve(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	if want := []string{`this "image" is deprecated`, "red 31m"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// TestManifestTypes: parameters of a Content-Type are ignored, and one that is not
// the manifest's own is refused.
func TestManifestTypes(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 10)
	var asked sync.Map
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return
		}
		asked.Store(r.Method, true)
		accepted := strings.Split(strings.Join(r.Header.Values("Accept"), ", "), ", ")
		for _, mediaType := range []string{
			ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.v2+json",
			"application/vnd.docker.distribution.manifest.list.v2+json",
		} {
			if !slices.Contains(accepted, mediaType) {
				t.Errorf("%s accepts %q, and not %s", r.Method, accepted, mediaType)
			}
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/good"):
			w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest+"; charset=utf-8")
		case strings.HasSuffix(r.URL.Path, "/bad"):
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		}
		_, _ = w.Write(img.Manifest.Body)
	}))
	repo := distributiontest.NewClient(t, client.Config{RetryFor: -1}).Repository(host, "x/y")
	if desc, _, err := repo.Resolve(t.Context(), "good"); err != nil || desc.MediaType != ocispec.MediaTypeImageManifest {
		t.Errorf("%+v %v", desc, err)
	}
	if _, _, err := repo.Resolve(t.Context(), "bad"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("another type: %v", err)
	}
	if _, err := repo.Stat(t.Context(), "good"); err != nil {
		t.Error(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if _, ok := asked.Load(method); !ok {
			t.Errorf("nothing was asked by %s", method)
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
