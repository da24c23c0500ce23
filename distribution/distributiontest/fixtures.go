package distributiontest

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
)

// Bytes returns n bytes that depend on seed alone and do not compress.
func Bytes(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // it cannot fail
	return b
}

// Blob describes b as a blob of the given type.
func Blob(mediaType string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// Image is an image with all its bytes.
type Image struct {
	Manifest distribution.Manifest
	Blobs    map[digest.Digest][]byte // config and layers
	Config   ocispec.Descriptor
	Layers   []ocispec.Descriptor
}

// NewImage makes an image of layers of these sizes. Equal seeds and sizes make
// equal layers.
func NewImage(t testing.TB, seed uint64, sizes ...int) Image {
	t.Helper()
	img := Image{Blobs: make(map[digest.Digest][]byte)}
	conf := ocispec.Image{
		Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"},
		RootFS:   ocispec.RootFS{Type: "layers"},
	}
	for i, size := range sizes {
		b := Bytes(seed+uint64(i), size)
		desc := Blob(ocispec.MediaTypeImageLayerGzip, b)
		img.Blobs[desc.Digest] = b
		img.Layers = append(img.Layers, desc)
		conf.RootFS.DiffIDs = append(conf.RootFS.DiffIDs, desc.Digest)
	}
	b := marshal(t, conf)
	img.Config = Blob(ocispec.MediaTypeImageConfig, b)
	img.Blobs[img.Config.Digest] = b
	img.Manifest = NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: img.Config, Layers: img.Layers,
	})
	return img
}

// NewManifest is doc, an ocispec.Manifest or Index, as it is pushed.
func NewManifest(t testing.TB, doc any) distribution.Manifest {
	t.Helper()
	body := marshal(t, doc)
	var kind struct{ MediaType string }
	if err := json.Unmarshal(body, &kind); err != nil {
		t.Fatal(err)
	}
	return distribution.Manifest{Descriptor: Blob(kind.MediaType, body), Body: body}
}

// Index is an index of these manifests.
func Index(t testing.TB, descs ...ocispec.Descriptor) distribution.Manifest {
	return NewManifest(t, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: descs,
	})
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compare(a, b digest.Digest) int { return strings.Compare(string(a), string(b)) }
