package records

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/internal/atomicfile"
)

func openFolder(t *testing.T, dir string) *Records {
	t.Helper()
	d, err := OpenFolder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return d
}

// TestTagsAndManifests writes records of names that look like parts of others,
// and reads them all back.
func TestTagsAndManifests(t *testing.T) {
	t.Parallel()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		testTagsAndManifests(t, openFolder(t, t.TempDir()))
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		testTagsAndManifests(t, openBucket(t, s3test.Start(t).Bucket(t)))
	})
}

func openBucket(t *testing.T, b *objects.Bucket) *Records {
	t.Helper()
	r, err := OpenBucket(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestSequenceInABucket is written at the latest when the records are closed.
func TestSequenceInABucket(t *testing.T) {
	t.Parallel()
	b := s3test.Start(t).Bucket(t)
	first, err := OpenBucket(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{5, 1 << 62, 7} {
		first.Raise(n)
	}
	if err := errors.Join(first.SetIdentity(t.Context(), "me"), first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	d := openBucket(t, b)
	if id, err := d.Identity(t.Context()); d.Sequence() != 1<<62 || id != "me" || err != nil {
		t.Errorf("%d, %q, %v", d.Sequence(), id, err)
	}
}

func testTagsAndManifests(t *testing.T, d *Records) {
	t.Helper()
	a, b := digest.FromString("a"), digest.SHA512.FromString("b")
	var errs []error
	repos := []string{"library/x", "library/x/y", "team/" + strings.Repeat("n", 250), "x_tags/manifests"}
	for _, repo := range repos {
		for _, dgst := range []digest.Digest{a, b, a} {
			errs = append(errs, d.AddManifest(t.Context(), Manifest{Repository: repo, Digest: dgst, MediaType: "m/" + repo, By: "me"}, atomicfile.Durable))
		}
		for _, dgst := range []digest.Digest{a, b, b, a} { // three changes, and one that is none
			errs = append(errs, d.AddTag(t.Context(), repo, "v1", dgst, atomicfile.Durable))
		}
		errs = append(errs, d.AddTag(t.Context(), repo, "gone", a, atomicfile.Volatile), d.KeepTag(t.Context(), repo, "gone", ""),
			d.KeepTag(t.Context(), repo, "never", ""), d.AddTag(t.Context(), repo, "kept", a, atomicfile.Durable),
			d.AddTag(t.Context(), repo, "kept", b, atomicfile.Durable), d.KeepTag(t.Context(), repo, "kept", a), d.RemoveManifest(t.Context(), repo, digest.FromString("c")))
	}
	errs = append(errs, d.RemoveManifest(t.Context(), "library/x", b))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	manifests, tags, err := d.All(t.Context())
	if err != nil || len(manifests) != 2*len(repos)-1 || len(tags) != 2*len(repos) {
		t.Fatalf("%d manifests, %d tags, %v", len(manifests), len(tags), err)
	}
	for _, m := range manifests {
		if !slices.Contains(repos, m.Repository) || m.MediaType != "m/"+m.Repository || m.By != "me" {
			t.Errorf("%+v", m)
		}
	}
	for _, history := range tags {
		var named []digest.Digest
		for _, tag := range history {
			named = append(named, tag.Digest)
		}
		want := map[string][]digest.Digest{"v1": {a, b, a}, "kept": {a}}[history[0].Name]
		if !slices.Equal(named, want) {
			t.Errorf("%s: %v, want %v", history[0].Name, named, want)
		}
	}
}

// TestSequence keeps the greatest number, over an end and over nonsense in the
// file.
func TestSequence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openFolder(t, dir)
	for _, n := range []int64{5, 1 << 62, 7} {
		d.Raise(n)
	}
	if err := errors.Join(d.SetIdentity(t.Context(), "me"), d.Close()); err != nil {
		t.Fatal(err)
	}
	d = openFolder(t, dir)
	if id, err := d.Identity(t.Context()); d.Sequence() != 1<<62 || id != "me" || err != nil {
		t.Errorf("%d, %q, %v", d.Sequence(), id, err)
	}
	if err := d.SetSequence(3); err != nil || d.Sequence() != 3 {
		t.Errorf("set back: %d, %v", d.Sequence(), err)
	}
	for _, text := range []string{"", "12", strings.Repeat("x", 40)} {
		if err := os.WriteFile(filepath.Join(dir, "sequence"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := openFolder(t, dir).Sequence(); n != 0 {
			t.Errorf("%q: %d", text, n)
		}
	}
}
