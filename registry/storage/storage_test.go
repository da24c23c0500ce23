package storage

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/s3store/s3test"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestStates runs the suite of stores over a bucket whose writes are known to a
// database of either engine.
func TestStates(t *testing.T) {
	t.Parallel()
	service := s3test.Start(t)
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		contenttest.RunBlobs(t, func(t *testing.T) content.BlobStore {
			bucket := service.Config()
			s, err := Open(t.Context(), Config{Root: s3test.Dir(t), Bucket: &bucket, DB: open(t, nil)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s.Bytes
		})
	})
}

// TestExisting makes no storage of a place that holds none.
func TestExisting(t *testing.T) {
	t.Parallel()
	bucket := s3test.Start(t).Config()
	db := metadatatest.OpenSQLite(t, nil)
	for name, cfg := range map[string]Config{
		"folder": {Root: s3test.Dir(t)},
		"bucket": {Root: s3test.Dir(t), Bucket: &bucket, DB: db},
	} {
		if _, err := OpenExisting(t.Context(), cfg); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Records.SetIdentity(t.Context(), "me"), s.Close()); err != nil {
			t.Fatal(err)
		}
		again, err := OpenExisting(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	root := s3test.Dir(t)
	s, err := Open(t.Context(), Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := []byte("old")
	desc, err := content.WriteBytes(t.Context(), s.Bytes, ocispec.Descriptor{}, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetAside(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bytes.Stat(t.Context(), desc.Digest); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what was set aside: %v", err)
	}
	aside, err := filepath.Glob(filepath.Join(root, "content.*", "blobs", "sha256", desc.Digest.Encoded()))
	if err != nil || len(aside) != 1 {
		t.Errorf("%q, %v", aside, err)
	}
}
