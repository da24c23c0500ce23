package proxy

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution/distributiontest"
)

// TestReportedSharedLayers: a layer of two images stays while one of them does
// (distribution 2367, 4191, 4872), goes with the last (4957), and what was kept under
// longer times goes by those that hold now (4352).
func TestReportedSharedLayers(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	// The same seed is the same layer; the configs differ by what is beside it.
	one, two := up.push(7, "team/one", "v1", 50_000), up.push(7, "team/two", "v1", 50_000, 2000)
	spec := Spec{Project: "mirror", Upstream: up.address, FreshFor: time.Minute, KeepFor: 1000 * time.Hour}
	n.create(spec)
	n.pull("mirror/team/one", "v1", one)
	n.clock.Advance(100 * time.Hour)
	n.pull("mirror/team/two", "v1", two)
	n.clock.Advance(10 * time.Hour)
	if got, err := n.proxies.Evict(t.Context(), n.stored); err != nil || got != 0 {
		t.Errorf("evicted %d, %v", got, err)
	}
	spec.KeepFor = 50 * time.Hour
	n.create(spec)
	if got, err := n.proxies.Evict(t.Context(), n.stored); err != nil || got == 0 {
		t.Errorf("with the shorter time: evicted %d, %v", got, err)
	}
	n.clock.Advance(3 * time.Hour)
	if _, err := n.stored.Collect(t.Context()); err != nil {
		t.Error(err)
	}
	up.set("500")
	n.pull("mirror/team/two", "v1", two)
	n.clock.Advance(100 * time.Hour)
	if got, err := n.proxies.Evict(t.Context(), n.stored); err != nil || got == 0 {
		t.Errorf("at the end: evicted %d, %v", got, err)
	}
	n.clock.Advance(3 * time.Hour)
	for range 2 {
		if _, err := n.stored.Collect(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for dgst := range two.Blobs {
		if n.kept("mirror/team/two", dgst) {
			t.Errorf("%s stays", dgst)
		}
	}
}

// TestReportedChildren: what an index lists is not taken from under it because clients
// that have it ask for the index alone.
func TestReportedChildren(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	child := up.push(1, "team/app", "child", 3000)
	index := distributiontest.Index(t, child.Manifest.Descriptor)
	if _, err := up.images.PutManifest(up.images.ctx, "team/app", index, "multi"); err != nil {
		t.Fatal(err)
	}
	n.create(Spec{Project: "mirror", Upstream: up.address, FreshFor: time.Minute, KeepFor: 48 * time.Hour})
	n.pull("mirror/team/app", child.Manifest.Descriptor.Digest.String(), child)
	for range 5 {
		if status, _, _ := n.do("GET", "mirror/team/app/manifests/multi"); status != 200 {
			t.Errorf("the index: %d", status)
		}
		n.clock.Advance(24 * time.Hour)
		if _, err := n.proxies.Evict(t.Context(), n.stored); err != nil {
			t.Error(err)
		}
		if _, err := n.stored.Collect(t.Context()); err != nil {
			t.Error(err)
		}
	}
	up.set("500")
	n.pull("mirror/team/app", child.Manifest.Descriptor.Digest.String(), child)
}

// TestReportedReferrersElsewhere: an upstream that sends the question for referrers to a
// page that is not there (ghcr.io, zot 4060) has them under a tag, and one that says
// nothing to it keeps nobody waiting for long (zot 3839).
func TestReportedReferrersElsewhere(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{})
	var doc ocispec.Manifest
	if err := json.Unmarshal(img.Manifest.Body, &doc); err != nil {
		t.Fatal(err)
	}
	doc.ArtifactType, doc.Subject = "application/x.sig", &img.Manifest.Descriptor
	sig := distributiontest.NewManifest(t, doc)
	if _, err := up.images.PutManifest(up.images.ctx, "team/app", sig); err != nil {
		t.Fatal(err)
	}
	sig.Descriptor.ArtifactType = doc.ArtifactType
	index, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{sig.Descriptor},
	})
	if err != nil {
		t.Fatal(err)
	}
	subject := img.Manifest.Descriptor.Digest
	up.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, "/-/"):
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("Not Found"))
		case strings.Contains(r.URL.Path, "/referrers/"):
			w.Header().Set("Location", "/-/v2/packages/container/package/team%2Fapp%2Freferrers%2Fsha256")
			w.WriteHeader(http.StatusSeeOther)
		case strings.HasSuffix(r.URL.Path, strings.ReplaceAll(subject.String(), ":", "-")):
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			w.Header().Set("Docker-Content-Digest", digest.FromBytes(index).String())
			_, _ = w.Write(index)
		default:
			return false
		}
		return true
	})
	n.pull("mirror/team/app", "v1", img)
	path := "mirror/team/app/referrers/" + subject.String()
	if status, _, body := n.do("GET", path); status != 200 || !strings.Contains(string(body), sig.Descriptor.Digest.String()) {
		t.Errorf("%d %s", status, body)
	}
	up.answer(nil)
	up.set("hang")
	n.clock.Advance(time.Hour)
	begun := time.Now()
	status, _, body := n.do("GET", path)
	if status != 200 || !strings.Contains(string(body), sig.Descriptor.Digest.String()) || time.Since(begun) > patience+5*time.Second {
		t.Errorf("an upstream that hangs: %d after %v %s", status, time.Since(begun), body)
	}
}

// TestReportedCascade: a proxy of a proxy, neither of which has it yet (Harbor 20788), and
// whose middle has no room for it.
func TestReportedCascade(t *testing.T) {
	t.Parallel()
	up, middle, n := newHostile(t), newNear(t, memstore.New(nil)), newNear(t, memstore.New(nil))
	img, large := up.push(1, "team/app", "v1", 3000, 700_000), up.push(2, "team/large", "v1", 900_000)
	middle.create(Spec{Project: "far", Upstream: up.address})
	n.create(Spec{Project: "mirror", Upstream: middle.address + "/far"})
	n.pull("mirror/team/app", "v1", img)
	middle.limit("far", 800_000)
	n.pull("mirror/team/large", "v1", large)
	if !n.kept("mirror/team/large", largest(large)) || middle.kept("far/team/large", largest(large)) {
		t.Error("it is to be kept at the end, and not in the middle")
	}
	up.set("500")
	n.pull("mirror/team/app", "v1", img)
	n.pull("mirror/team/large", "v1", large)
}

// TestReportedPacked: an upstream, or a server before it, that packs blobs for whoever can
// unpack them (quay 1310) is asked for them as they are.
func TestReportedPacked(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{})
	up.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			return false
		}
		rec := httptest.NewRecorder()
		up.real.ServeHTTP(rec, r)
		for _, name := range []string{"Content-Type", "Docker-Content-Digest"} {
			w.Header().Set(name, rec.Header().Get(name))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(rec.Code)
		z := gzip.NewWriter(w)
		_, _ = z.Write(rec.Body.Bytes())
		_ = z.Close()
		return true
	})
	n.pull("mirror/team/app", "v1", img)
}

// TestReportedReason: who pulls what is not here hears what is wrong with the upstream, and
// not that there is no such repository (zot 4352).
func TestReportedReason(t *testing.T) {
	t.Parallel()
	n := newNear(t, memstore.New(nil))
	closed := httptest.NewServer(nil)
	closed.Close()
	address := strings.TrimPrefix(closed.URL, "http://")
	n.create(Spec{Project: "mirror", Upstream: address})
	status, header, body := n.do("GET", "mirror/team/app/manifests/v1")
	if status != 503 || header.Get("Retry-After") == "" || !strings.Contains(string(body), address) {
		t.Errorf("%d %v %s", status, header, body)
	}
}
