package copy_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/distribution/distributiontest"
)

// end is both ends of a copy.
type end interface {
	copy.Source
	copy.Target
}

// ends makes one of each kind, empty.
var ends = map[string]func(t *testing.T) end{
	"remote": func(t *testing.T) end {
		return serve(t, distributiontest.Handler(t, t.Context(), memory()), client.Config{})
	},
	"local": func(*testing.T) end { return &copy.Local{Registry: memory(), Repo: "team/app"} },
	"layout": func(t *testing.T) end {
		d, err := layout.Create(filepath.Join(t.TempDir(), "layout"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	},
}

func memory() *distributiontest.Memory { return distributiontest.NewMemory(memstore.New(time.Now)) }

// serve is a repository behind h, over TLS with a certificate of its own.
func serve(t *testing.T, h http.Handler, cfg client.Config) *copy.Remote {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.Mkdir(filepath.Join(dir, host), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, host, "ca.crt"), ca, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg.CertsDirs = []string{dir}
	return &copy.Remote{Repo: distributiontest.NewClient(t, cfg).Repository(host, "team/app")}
}

// shelf is a registry in memory with an image for two platforms and all that may
// belong to one.
type shelf struct {
	*copy.Local
	index       distribution.Manifest
	images      [2]distributiontest.Image
	attestation distribution.Manifest   // of the first image, in the index
	referrers   []distribution.Manifest // of the index, of the first image, of the first referrer
	cosign      distribution.Manifest   // under a tag
}

const tag = "v1"

// stock fills a shelf, whose images have a layer of each of these sizes and share
// the first.
func stock(t *testing.T, sizes ...int) *shelf {
	t.Helper()
	s := &shelf{Local: &copy.Local{Registry: memory(), Repo: "origin/app"}}
	s.images[0] = distributiontest.NewImage(t, 1, sizes...)
	s.images[1] = distributiontest.NewImage(t, 1, append(sizes, 77)...)
	s.attestation = s.artifact(t, "attestation", nil)
	entry := func(m distribution.Manifest, arch string) ocispec.Descriptor {
		d := m.Descriptor
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		return d
	}
	about := entry(s.attestation, "unknown")
	about.Platform.OS = "unknown"
	about.Annotations = map[string]string{
		"vnd.docker.reference.type":   "attestation-manifest",
		"vnd.docker.reference.digest": s.images[0].Manifest.Descriptor.Digest.String(),
	}
	s.index = distributiontest.Index(t, entry(s.images[0].Manifest, "amd64"), entry(s.images[1].Manifest, "arm64"), about)
	for _, img := range s.images {
		for _, b := range img.Blobs {
			s.blob(t, b)
		}
		s.put(t, img.Manifest, "")
	}
	s.put(t, s.attestation, "")
	s.put(t, s.index, tag)
	signature := s.artifact(t, "signature", &s.index.Descriptor)
	s.referrers = []distribution.Manifest{
		signature, s.artifact(t, "sbom", &s.images[0].Manifest.Descriptor),
		s.artifact(t, "timestamp", &signature.Descriptor),
	}
	for _, m := range s.referrers {
		s.put(t, m, "")
	}
	s.cosign = s.artifact(t, "cosign", nil)
	s.put(t, s.cosign, cosignTag(s.index.Descriptor.Digest))
	return s
}

func cosignTag(dgst digest.Digest) string { return "sha256-" + dgst.Encoded() + ".sig" }

// artifact is a manifest of one small blob, which is put on the shelf.
func (s *shelf) artifact(t *testing.T, what string, subject *ocispec.Descriptor) distribution.Manifest {
	t.Helper()
	empty := distributiontest.Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	body := []byte("the bytes of " + what)
	s.blob(t, []byte("{}"))
	s.blob(t, body)
	return distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/" + what, Config: empty,
		Layers:  []ocispec.Descriptor{distributiontest.Blob("application/"+what, body)},
		Subject: subject,
	})
}

func (s *shelf) blob(t *testing.T, b []byte) {
	t.Helper()
	desc := distributiontest.Blob("application/octet-stream", b)
	if err := s.PushBlob(t.Context(), copy.Blob{Descriptor: desc, Content: distributiontest.Store(t, b)}); err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) put(t *testing.T, m distribution.Manifest, tag string) {
	t.Helper()
	if err := s.PushManifest(t.Context(), m, tag); err != nil {
		t.Fatal(err)
	}
}

// whole fails unless e has all below a manifest, and returns how many blobs and
// manifests that are.
func whole(t *testing.T, e end, ref string) int {
	t.Helper()
	seen := map[digest.Digest]bool{}
	var look func(ref string)
	look = func(ref string) {
		m, err := e.Resolve(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			return
		}
		seen[m.Descriptor.Digest] = true
		if digest.FromBytes(m.Body) != m.Descriptor.Digest {
			t.Errorf("manifest %s is another", ref)
		}
		for _, need := range parse(t, m).Needs() {
			if seen[need.Digest] {
				continue
			}
			seen[need.Digest] = true
			if need.Child {
				look(need.Digest.String())
				continue
			}
			if _, err := content.ReadBlob(t.Context(), e, need.Descriptor); err != nil {
				t.Errorf("of %s: %v", ref, err)
			}
		}
	}
	look(ref)
	return len(seen)
}
