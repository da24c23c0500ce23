package repack

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/layers/compress"
)

// TestCompressed: what is written unpacks to what was there, and its diffID is that.
func TestCompressed(t *testing.T) {
	t.Parallel()
	tar := strings.Repeat("no tar, and nobody asks. ", 1<<16)
	for _, c := range []compress.Compression{"", compress.Gzip, compress.Zstd, compress.None} {
		f, err := Compressed(compress.Options{Compression: c})
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		l, err := f.Write(&packed, strings.NewReader(tar))
		if err != nil || digest.Digest(l.DiffID) != digest.FromString(tar) {
			t.Fatalf("%s: %v, diffID %s", f.Name, err, l.DiffID)
		}
		if !f.Is(l.Blob) {
			t.Errorf("%s: a layer of it, %s, is none", f.Name, l.Blob.MediaType)
		}
		r, err := compress.NewReader(t.Context(), &packed, compress.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(r); err != nil || string(back) != tar {
			t.Errorf("%s: %d bytes, %v", f.Name, len(back), err)
		}
		_ = r.Close()
		broken := errors.New("cut")
		if _, err := f.Write(io.Discard, io.MultiReader(strings.NewReader(tar), failing{broken})); !errors.Is(err, broken) {
			t.Errorf("%s of a layer that cannot be read: %v", f.Name, err)
		}
	}
	if _, err := Compressed(compress.Options{Compression: compress.Xz}); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("xz: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestWhatIsPacked: docker's words for a layer are known, and what nobody may pass on, or
// nobody knows, is left alone.
func TestWhatIsPacked(t *testing.T) {
	t.Parallel()
	zstd, err := Compressed(compress.Options{Compression: compress.Zstd})
	if err != nil {
		t.Fatal(err)
	}
	for mediaType, left := range map[string]bool{
		ocispec.MediaTypeImageLayer: false, ocispec.MediaTypeImageLayerGzip: false, ocispec.MediaTypeImageLayerZstd: true,
		dockerLayer: false, dockerLayer + ".gzip": false, dockerLayer + ".zstd": true,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    true,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": true,
		"application/vnd.oci.image.layer.v1.tar+xz":                    true,
		"application/vnd.example.other":                                true,
	} {
		if got := zstd.Is(ocispec.Descriptor{MediaType: mediaType}); got != left {
			t.Errorf("%s is left alone: %v", mediaType, got)
		}
	}
}
