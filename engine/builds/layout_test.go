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
	into := newStore(t)
	arm := ocispec.Platform{OS: "linux", Architecture: "arm64"}
	for ref, ok := range map[string]bool{
		"": true, ":v1": true, "@" + target.Digest.String(): true, ":v2": false, "@" + digest.FromString("other").String(): false,
	} {
		d, err := copyLayout(t.Context(), into, "oci-layout://"+dir+ref, arm)
		if ok != (err == nil) {
			t.Errorf("%q: %v", ref, err)
			continue
		}
		if !ok {
			continue
		}
		if _, err := content.ReadBlob(t.Context(), into, d); err != nil || d.MediaType != ocispec.MediaTypeImageManifest {
			t.Errorf("%q: %+v %v", ref, d, err)
		}
	}
	for what, got := range map[string]string{"a platform that is not there": dir, "no layout": t.TempDir()} {
		_, err := copyLayout(t.Context(), into, "oci-layout://"+got, ocispec.Platform{OS: "linux", Architecture: "s390x"})
		if !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	name := filepath.Join(dir, "blobs/sha256", target.Digest.Encoded())
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := copyLayout(t.Context(), newStore(t), "oci-layout://"+dir, arm); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("a damaged layout: %v", err)
	}
}

func TestParseLayout(t *testing.T) {
	t.Parallel()
	sum := digest.FromString("x")
	for name, want := range map[string][2]string{
		"oci-layout://out":                     {"out", ""},
		"oci-layout://./a:b/out":               {"./a:b/out", ""},
		"oci-layout:///a/out:v1":               {"/a/out", "v1"},
		"oci-layout://out@" + sum.String():     {"out", sum.String()},
		"oci-layout://":                        {"error"},
		"oci-layout://out@sha256:short":        {"error"},
		"oci-layout://out:v1@" + sum.Encoded(): {"error"},
	} {
		dir, ref, err := parseLayout(name)
		got := [2]string{dir, ref}
		if err != nil {
			got = [2]string{"error"}
		}
		if got != want {
			t.Errorf("%s: %v %v, want %v", name, got, err, want)
		}
	}
	if !isLayout("oci-layout://x") || isLayout("x") {
		t.Error("what a layout is")
	}
}

// TestBlobsOfAnExport are each there once.
func TestBlobsOfAnExport(t *testing.T) {
	t.Parallel()
	d := ocispec.Descriptor{Digest: digest.FromString("x")}
	made := export.Exported{Target: d, Images: []export.ExportedImage{{Manifest: d, Config: d, Layers: []ocispec.Descriptor{d, d}}}}
	if got := made.Blobs(); len(got) != 1 {
		t.Errorf("%d blobs", len(got))
	}
}
