package s3store_test

import (
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/s3store/s3test"
	"cove/errdefs"
)

// TestCopyFrom has the service copy a small object and one in parts, and refuses what is
// no such blob.
func TestCopyFrom(t *testing.T) {
	t.Parallel()
	service := s3test.Start(t)
	from := service.Bucket(t)
	s := newStore(t, service.Bucket(t), &states{})
	for _, size := range []int{0, 1000, 65<<20 + 7} {
		b := contenttest.Bytes(uint64(size), size)
		if err := from.Put(t.Context(), "theirs/data", b); err != nil {
			t.Fatal(err)
		}
		desc := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(size)}
		if err := s.CopyFrom(t.Context(), desc, from, "theirs/data"); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if ok, err := content.Intact(t.Context(), s, desc, true); !ok || err != nil {
			t.Errorf("%d bytes: %v, %v", size, ok, err)
		}
	}
	for name, c := range map[string]struct {
		desc ocispec.Descriptor
		key  string
		kind error
	}{
		"digest":    {ocispec.Descriptor{Digest: digest.FromString("x")}, "theirs/data", errdefs.ErrCorrupt},
		"size":      {ocispec.Descriptor{Digest: digest.FromString("x"), Size: 5}, "theirs/data", errdefs.ErrCorrupt},
		"no digest": {ocispec.Descriptor{Digest: "md5:x"}, "theirs/data", errdefs.ErrInvalid},
		"no object": {ocispec.Descriptor{Digest: digest.FromString("x")}, "theirs/none", errdefs.ErrNotFound},
	} {
		if err := s.CopyFrom(t.Context(), c.desc, from, c.key); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	if _, err := s.Stat(t.Context(), digest.FromString("x")); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what was refused: %v", err)
	}
}
