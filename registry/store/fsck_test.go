package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/fsck"
	"cove/registry/metadata/metadatatest"
)

// TestFsckFindsAndHeals rots and loses blobs and a manifest on disk. A check
// finds all of them and nothing else, and after a heal a push of the same image
// brings back what was wrong and what was lost.
func TestFsckFindsAndHeals(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	store, err := fsstore.Open(root, fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	db := metadatatest.OpenSQLite(t, time.Now)
	ctx := admin(t.Context())
	newRegistry := func() *Registry { // one that has nothing in memory
		r, err := New(ctx, Config{Store: store, DB: db, Rights: allowAll{}}, true)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	img := distributiontest.NewImage(t, 1, 100_000, 2000, 3000, 0)
	pushAll(t, ctx, newRegistry(), img)
	if _, err := content.WriteBytes(ctx, store, ocispec.Descriptor{}, []byte("stray")); err != nil {
		t.Fatal(err)
	}
	check := func(heal bool) (found map[digest.Digest]fsck.Finding, got fsck.Checked) {
		t.Helper()
		found = map[digest.Digest]fsck.Finding{}
		got, err := fsck.Run(ctx, store, db, heal, func(f fsck.Finding) { found[f.Digest] = f })
		if err != nil || got.Contents != len(img.Blobs)+1 || got.Strays != 1 {
			t.Errorf("checked %+v, %v; want %d contents", got, err, len(img.Blobs)+1)
		}
		return found, got
	}
	if found, _ := check(true); len(found) != 0 {
		t.Errorf("a sound storage: %+v", found)
	}
	path := func(dgst digest.Digest) string { return filepath.Join(root, "blobs", "sha256", dgst.Encoded()) }
	flipped, cut, lost := img.Layers[0].Digest, img.Layers[1].Digest, img.Layers[2].Digest
	b := slices.Clone(img.Blobs[flipped])
	b[77_777] ^= 1
	if err := errors.Join(os.WriteFile(path(flipped), b, 0o600), os.Truncate(path(cut), 1999), os.Remove(path(lost)),
		os.WriteFile(path(img.Manifest.Descriptor.Digest), []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	want := map[digest.Digest]bool{flipped: false, cut: false, lost: true, img.Manifest.Descriptor.Digest: false}
	for _, heal := range []bool{false, true} {
		found, _ := check(heal)
		if len(found) != len(want) {
			t.Errorf("found %+v, want %v", found, want)
		}
		for dgst, lost := range want {
			f, ok := found[dgst]
			if !ok || (f.Kind == fsck.Lost) != lost || f.Healed != (heal && !lost) || !slices.Equal(f.Repositories, []string{"team/app"}) {
				t.Errorf("%s: %+v, want lost %v", dgst, f, lost)
			}
		}
	}
	r := newRegistry()
	for dgst := range want {
		_, errBlob := r.StatBlob(ctx, "team/app", dgst)
		_, errManifest := r.StatManifest(ctx, "team/app", dgst)
		_, errMount := r.MountBlob(ctx, "team/other", "team/app", dgst)
		for _, err := range []error{errBlob, errManifest, errMount} {
			if !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("%s is said to be there: %v", dgst, err)
			}
		}
	}
	var missing *distribution.MissingError
	_, err = r.PutManifest(ctx, "team/app", img.Manifest, "v1")
	if !errors.As(err, &missing) || len(missing.Digests) != 3 {
		t.Errorf("a manifest of lost blobs: %v", err)
	}
	pushAll(t, ctx, r, img)
	if found, _ := check(false); len(found) != 0 {
		t.Errorf("after the push: %+v", found)
	}
}

// pushAll pushes what the registry does not say is there, as clients do.
func pushAll(t testing.TB, ctx context.Context, r *Registry, img distributiontest.Image) {
	t.Helper()
	for dgst, b := range img.Blobs {
		if _, err := r.StatBlob(ctx, "team/app", dgst); err == nil {
			continue
		}
		up, err := r.StartUpload(ctx, "team/app")
		if err == nil {
			_, err = up.Write(b)
		}
		if err == nil {
			_, err = up.Commit(ctx, dgst)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.PutManifest(ctx, "team/app", img.Manifest, "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.GetTag(ctx, "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
}
