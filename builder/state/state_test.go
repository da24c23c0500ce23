package state

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/cache"
)

// TestPruneContexts: contexts of clients go by their age, and where what steps made leaves no room.
func TestPruneContexts(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		keep cache.Keep
		left int
	}{
		"nothing is asked": {cache.Keep{}, 2},
		"everything":       {cache.Keep{Nothing: true}, 0},
		"old ones":         {cache.Keep{Age: time.Hour}, 0},
		"not so old":       {cache.Keep{Age: 3 * time.Hour}, 2},
		"room for both":    {cache.Keep{Bytes: 300}, 2},
		"room for one":     {cache.Keep{Bytes: 250}, 1},
		"room for none":    {cache.Keep{Bytes: 120}, 0},
	} {
		now := time.Now()
		s := Open(filepath.Join(t.TempDir(), "build"), func() time.Time { return now })
		record := cache.Record{Blob: ocispec.Descriptor{Digest: digest.FromString("layer"), Size: 100}}
		if err := s.Records().Put(t.Context(), digest.FromString("step"), record); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b"} {
			dir, err := s.Contexts().Take(key, "context")
			if err != nil {
				t.Fatal(err)
			}
			if err := dir.Keep(100); err != nil {
				t.Fatal(err)
			}
			if err := dir.Close(); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(2 * time.Hour)
		freed, err := s.Prune(t.Context(), tc.keep)
		if err != nil {
			t.Fatal(err)
		}
		left, err := s.Contexts().All()
		if err != nil || len(left) != tc.left || freed != int64(100*(2-tc.left)) {
			t.Errorf("%s: %d contexts are left, %d bytes went: %v", what, len(left), freed, err)
		}
	}
}
