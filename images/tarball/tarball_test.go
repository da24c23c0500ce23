package tarball

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
)

// sample is an archive of one image with one layer, and its entry.
func sample(t testing.TB) ([]byte, Image) {
	t.Helper()
	return sampleOf(t, digest.SHA256)
}

// sampleOf is sample with digests of an algorithm.
func sampleOf(t testing.TB, algorithm digest.Algorithm) ([]byte, Image) {
	t.Helper()
	s := memstore.New(nil)
	add := func(mediaType, body string) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: algorithm.FromString(body), Size: int64(len(body))}
		desc, err := content.WriteBytes(context.Background(), s, desc, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return desc
	}
	config, layer := add(ocispec.MediaTypeImageConfig, `{}`), add(ocispec.MediaTypeImageLayer, "layer")
	body, err := json.Marshal(ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	img := Image{Names: []string{"docker.io/you/app:v1"}, Target: add(ocispec.MediaTypeImageManifest, string(body)), Config: config, Layers: []ocispec.Descriptor{layer}}
	var buf bytes.Buffer
	if err := Write(context.Background(), &buf, s, []Image{img}, []ocispec.Descriptor{img.Target, config, layer, layer}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), img
}

func read(t testing.TB, b []byte) ([]Image, *memstore.Store, error) {
	t.Helper()
	s := memstore.New(nil)
	lease, err := s.Lease(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	r := Reader{Store: s, Lease: lease}
	images, err := r.Read(context.Background(), bytes.NewReader(b))
	return images, s, err
}

func TestWriteExplainsItselfFirst(t *testing.T) {
	t.Parallel()
	b, _ := sample(t)
	var order []string
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, hdr.Name)
		if hdr.ModTime.Unix() != 0 || hdr.Uid != 0 || hdr.Uname != "" {
			t.Errorf("%s: %+v: depends on time or machine", hdr.Name, hdr)
		}
	}
	if len(order) != 8 || order[0] != "oci-layout" || order[1] != "index.json" || order[2] != "manifest.json" {
		t.Errorf("entries %q", order)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		t.Run(algorithm.String(), func(t *testing.T) {
			t.Parallel()
			b, want := sampleOf(t, algorithm)
			testRead(t, b, want)
		})
	}
}

func testRead(t *testing.T, b []byte, want Image) {
	images, s, err := read(t, b)
	if err != nil || len(images) != 1 || images[0].Target.Digest != want.Target.Digest || images[0].Names[0] != want.Names[0] {
		t.Fatalf("%+v, %v", images, err)
	}
	for _, d := range []ocispec.Descriptor{want.Target, want.Config, want.Layers[0]} {
		if _, err := content.ReadBlob(t.Context(), s, d); err != nil {
			t.Error(err)
		}
	}
}

func TestReadFlippedBit(t *testing.T) {
	t.Parallel()
	b, _ := sample(t)
	at := bytes.LastIndex(b, []byte("layer"))
	b[at] ^= 1
	if _, _, err := read(t, b); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("a layer with a flipped bit: %v", err)
	}
}

func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]error{maxNames: nil, maxNames + 1: errdefs.ErrExhausted} {
		some := []Image{{Names: make([]string, n-1)}, {Names: make([]string, 1)}}
		if got, err := bounded(some); !errors.Is(err, want) || (err == nil) != (len(got) == 2) {
			t.Errorf("%d names: %d images, %v", n, len(got), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	b, _ := sample(f)
	f.Add(b)
	f.Add(b[:3000])
	f.Fuzz(func(t *testing.T, b []byte) {
		images, s, err := read(t, b)
		if (err == nil) != (len(images) > 0) {
			t.Fatalf("%d images, %v", len(images), err)
		}
		for info := range s.All(t.Context()) {
			got, err := content.ReadBlob(t.Context(), s, ocispec.Descriptor{Digest: info.Digest})
			if err != nil || digest.FromBytes(got) != info.Digest && info.Digest.Algorithm() == digest.SHA256 {
				t.Fatalf("stored %s with other bytes: %v", info.Digest, err)
			}
		}
	})
}
