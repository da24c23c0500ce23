package cache

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/layers"
)

func TestStore(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := Open(t.TempDir(), func() time.Time { return now })
	key := digest.FromString("k")
	if _, err := s.Get(t.Context(), key); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
	for _, bad := range []digest.Digest{"", "sha256:short", "../../etc/passwd", "sha256:../../../../../../../../../../../../../../../../../../../../x"} {
		if _, err := s.Get(t.Context(), bad); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
		if err := s.Put(t.Context(), bad, Record{}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	want := Record{
		DiffID: layers.DiffID(digest.FromString("d")), Chain: layers.ChainID(digest.FromString("c")),
		Blob: ocispec.Descriptor{Digest: digest.FromString("b"), Size: 7}, Step: "RUN x", Took: time.Second, Created: now,
	}
	if err := s.Put(t.Context(), key, want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), key)
	if err != nil || got.DiffID != want.DiffID || got.Chain != want.Chain || got.Blob.Digest != want.Blob.Digest || !got.Created.Equal(now) || got.Took != want.Took {
		t.Errorf("%+v %v", got, err)
	}
	// A use is noted, so that the record is not the oldest.
	now = now.Add(time.Hour)
	if _, err := s.Get(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(s.path(key)); err != nil || !st.ModTime().Equal(now) {
		t.Errorf("used at %v, want %v (%v)", st.ModTime(), now, err)
	}
	for e, err := range s.All(t.Context()) {
		if e.Key != key || e.Uses != 3 || err != nil { // made, and read twice
			t.Errorf("%+v, %v", e, err)
		}
	}
	other := digest.FromString("other")
	now = now.Add(time.Hour)
	if err := s.Put(t.Context(), other, Record{Blob: ocispec.Descriptor{Digest: digest.FromString("o"), Size: 5}}); err != nil {
		t.Fatal(err)
	}
	if n, size, err := s.Prune(t.Context(), Keep{Bytes: 6}); n != 1 || size != 7 || err != nil {
		t.Errorf("pruned %d records, %d bytes: %v", n, size, err)
	}
	if _, err := s.Get(t.Context(), other); err != nil {
		t.Error("the newer record went:", err)
	}
	if _, err := os.Stat(s.uses(key)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the count of one that went: %v", err)
	}
}

// TestShared: several writers of one key leave one whole record.
func TestShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := digest.FromString("k")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s := Open(dir, time.Now)
			for range 50 {
				if err := s.Put(t.Context(), key, Record{Step: string(rune('a' + i)), Chain: layers.ChainID(digest.FromString("c"))}); err != nil {
					t.Error(err)
				}
				if r, err := s.Get(t.Context(), key); err != nil || len(r.Step) != 1 {
					t.Errorf("%+v %v", r, err)
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for _, err := range Open(dir, time.Now).All(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d records of one key", n)
	}
}
