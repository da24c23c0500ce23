package builds

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/content"
	"cove/content/fsstore"
	"cove/errdefs"
	"cove/images/tarball"
)

func newStore(t *testing.T) *fsstore.Store {
	t.Helper()
	s, err := fsstore.Open(t.TempDir(), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores the JSON of v.
func put(t *testing.T, s *fsstore.Store, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body)}, body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// writeLayout writes a layout with an index of two platforms, under a name.
func writeLayout(t *testing.T, name string) (dir string, target ocispec.Descriptor) {
	t.Helper()
	from := newStore(t)
	var blobs []ocispec.Descriptor
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, arch := range []string{"amd64", "arm64"} {
		config := put(t, from, ocispec.MediaTypeImageConfig, map[string]string{"architecture": arch, "os": "linux"})
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{}}
		m.SchemaVersion = 2
		d := put(t, from, ocispec.MediaTypeImageManifest, m)
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, d)
		blobs = append(blobs, config, d)
	}
	target = put(t, from, ocispec.MediaTypeImageIndex, index)
	dir = t.TempDir()
	err := export.Unpack(t.Context(), dir, func(w io.Writer) error {
		return tarball.Write(t.Context(), w, from, []tarball.Image{{Names: []string{name}, Target: target}}, append(blobs, target))
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, target
}

func TestLayout(t *testing.T) {
	t.Parallel()
	dir, target := writeLayout(t, "docker.io/library/app:v1")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	into := newStore(t)
	lease, err := into.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	l := layout{root: root, into: into, hold: lease}
	for _, tc := range []struct {
		tag  string
		dgst digest.Digest
		ok   bool
	}{
		{"", "", true},
		{"v1", "", true},
		{"docker.io/library/app:v1", "", true},
		{"v2", "", false},
		{"", target.Digest, true},
		{"", digest.FromString("other"), false},
	} {
		d, err := l.find(tc.tag, tc.dgst)
		if tc.ok != (err == nil) || tc.ok && d.Digest != target.Digest {
			t.Errorf("%q %s: %v %v", tc.tag, tc.dgst, d.Digest, err)
		}
	}
	desc := target
	if err := l.bring(t.Context(), &desc, ocispec.Platform{OS: "linux", Architecture: "arm64"}); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadBlob(t.Context(), into, desc); err != nil || desc.MediaType != ocispec.MediaTypeImageManifest {
		t.Errorf("%+v %v", desc, err)
	}
	desc = target
	if err := l.bring(t.Context(), &desc, ocispec.Platform{OS: "linux", Architecture: "s390x"}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a platform that is not there: %v", err)
	}
}

// TestDamagedLayout: what does not have its digest is not taken.
func TestDamagedLayout(t *testing.T) {
	t.Parallel()
	dir, target := writeLayout(t, "docker.io/library/app:v1")
	name := filepath.Join(dir, "blobs/sha256", target.Digest.Encoded())
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	into := newStore(t)
	lease, err := into.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	l := layout{root: root, into: into, hold: lease}
	if err := l.bring(t.Context(), &target, ocispec.Platform{}); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestParseLayout(t *testing.T) {
	t.Parallel()
	sum := digest.FromString("x")
	for name, want := range map[string][3]string{
		"oci-layout://out":                     {"out", "", ""},
		"oci-layout://./a:b/out":               {"./a:b/out", "", ""},
		"oci-layout:///a/out:v1":               {"/a/out", "v1", ""},
		"oci-layout://out@" + sum.String():     {"out", "", sum.String()},
		"oci-layout://":                        {"error"},
		"oci-layout://out@sha256:short":        {"error"},
		"oci-layout://out:v1@" + sum.Encoded(): {"error"},
	} {
		dir, tag, dgst, err := parseLayout(name)
		got := [3]string{dir, tag, dgst.String()}
		if err != nil {
			got = [3]string{"error"}
		}
		if got != want {
			t.Errorf("%s: %v %v, want %v", name, got, err, want)
		}
	}
	if !isLayout("oci-layout://x") || isLayout("x") {
		t.Error("what a layout is")
	}
}

func TestOutputsAreChecked(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"app": true, "app:v1": true, "Bad:Name:": false, "app@" + digest.FromString("x").String(): false} {
		if _, err := parseNames([]string{name}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := ocispec.Descriptor{Digest: digest.FromString("x")}
	made := export.Exported{Target: d, Images: []export.ExportedImage{{Manifest: d, Config: d, Layers: []ocispec.Descriptor{d, d}}}}
	if got := blobsOf(made); len(got) != 1 {
		t.Errorf("%d blobs", len(got))
	}
}
