package records

import (
	"context"
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
		testPush(t, openFolder(t, t.TempDir()))
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		service := s3test.Start(t)
		testTagsAndManifests(t, openBucket(t, service.Bucket(t)))
		testPush(t, openBucket(t, service.Bucket(t)))
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

// testPush has pushes move tags: until one is settled, what its tags named before is there.
func testPush(t *testing.T, d *Records) {
	t.Helper()
	a, b := digest.FromString("a"), digest.FromString("b")
	beside := 0
	push := func(dgst digest.Digest) (settle func(context.Context) error) {
		t.Helper()
		settle, err := d.Push(t.Context(), Manifest{Repository: "team/app", Digest: dgst, MediaType: "m"}, []string{"v1", "v2"},
			func() error { beside++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return settle
	}
	named := func(what string, want ...digest.Digest) {
		t.Helper()
		manifests, tags, err := d.All(t.Context())
		if err != nil || len(tags) != 2 || len(manifests) == 0 {
			t.Fatalf("%s: %d manifests, %d tags, %v", what, len(manifests), len(tags), err)
		}
		for _, history := range tags {
			var got []digest.Digest
			for _, tag := range history {
				got = append(got, tag.Digest)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s named %v, want %v", what, history[0].Name, got, want)
			}
		}
	}
	settled := func(settle func(context.Context) error) {
		t.Helper()
		if err := settle(t.Context()); err != nil {
			t.Error(err)
		}
	}
	settled(push(a))
	named("the first", a)
	push(b) // and the process ends
	named("not settled", b, a)
	settled(push(b))
	named("the same once more", b)
	late := push(a)
	named("back", a, b)
	settled(late)
	settled(late)
	named("settled twice", a)
	down := errors.New("down")
	if _, err := d.Push(t.Context(), Manifest{Repository: "team/app", Digest: b}, nil, func() error { return down }); !errors.Is(err, down) {
		t.Errorf("what is beside fails: %v", err)
	}
	if beside != 4 {
		t.Errorf("%d calls of what is beside", beside)
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

// TestCopiesOfAnotherName: what is copied to another name is what there was, and what is
// forgotten or went meanwhile is not recorded there.
func TestCopiesOfAnotherName(t *testing.T) {
	t.Parallel()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		testCopies(t, openFolder(t, t.TempDir()))
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		testCopies(t, openBucket(t, s3test.Start(t).Bucket(t)))
	})
}

func testCopies(t *testing.T, r *Records) {
	t.Helper()
	ctx := t.Context()
	one, two := digest.FromString("one"), digest.FromString("two")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, repo := range []string{"team/app", "team/app/part"} {
		for _, dgst := range []digest.Digest{one, two} {
			must(r.AddManifest(ctx, Manifest{Repository: repo, Digest: dgst, MediaType: "x/y", By: "ann"}, atomicfile.Durable))
		}
		must(r.AddTag(ctx, repo, "v1", one, atomicfile.Durable))
		must(r.AddTag(ctx, repo, "v1", two, atomicfile.Durable))
		must(r.AddTag(ctx, repo, "v2", one, atomicfile.Durable))
	}
	done := Copied{}
	must(r.Copy(ctx, "team/app", "crew/web", done))
	must(r.KeepTag(ctx, "team/app", "v2", "")) // deleted meanwhile
	must(r.AddTag(ctx, "team/app", "v3", two, atomicfile.Durable))
	must(r.Copy(ctx, "team/app", "crew/web", done))
	gone, err := r.Gone(ctx, "team/app", done)
	must(err)
	must(r.Drop(ctx, "crew/web", gone))
	must(r.Forget(ctx, "team/app"))
	must(r.Forget(ctx, "absent/x"))
	manifests, tags, err := r.All(ctx)
	must(err)
	var got []string
	for _, m := range manifests {
		got = append(got, m.Repository+"@"+m.Digest.String()[7:11]+" "+m.MediaType+" "+m.By)
	}
	for _, history := range tags {
		got = append(got, history[0].Repository+":"+history[0].Name+" "+history[0].Digest.String()[7:11])
	}
	slices.Sort(got)
	var want []string
	for _, repo := range []string{"crew/web", "team/app/part"} {
		for _, d := range []digest.Digest{one, two} {
			want = append(want, repo+"@"+d.String()[7:11]+" x/y ann")
		}
		want = append(want, repo+":v1 "+two.String()[7:11])
	}
	want = append(want, "crew/web:v3 "+two.String()[7:11], "team/app/part:v2 "+one.String()[7:11])
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("recorded are\n%q want\n%q", got, want)
	}
}
