package filter_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/filter"
	"cove/errdefs"
)

func memory(t testing.TB) *distributiontest.Memory {
	return distributiontest.NewMemory(distributiontest.StoreOf(t))
}

// A wrapper that has nothing to refuse is a registry like any other.
func TestWrappersPassTheSuite(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(distribution.Registry) distribution.Registry{
		"Metered":   func(r distribution.Registry) distribution.Registry { return filter.Metered(r, &ledger{}) },
		"Immutable": func(r distribution.Registry) distribution.Registry { return filter.Immutable(r, isRelease) },
		"Guarded": func(r distribution.Registry) distribution.Registry {
			return filter.Guarded(r, func(context.Context, string, ocispec.Descriptor) error { return nil })
		},
		"Select": func(r distribution.Registry) distribution.Registry {
			return filter.Select(r, func(repo string) bool { return strings.HasPrefix(repo, "suite/") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			distributiontest.Run(t, func(t *testing.T) distributiontest.Subject {
				return distributiontest.Subject{Registry: wrap(memory(t))}
			})
		})
	}
}

func isRelease(_, tag string) bool { return strings.HasPrefix(tag, "release-") }

// push stores an image under tags and fails the test if it cannot.
func push(t *testing.T, r distribution.Registry, repo string, seed uint64, tags ...string) (distributiontest.Image, error) {
	t.Helper()
	img := distributiontest.NewImage(t, seed, 100)
	for _, b := range img.Blobs {
		up, err := r.StartUpload(t.Context(), repo)
		if err != nil {
			return img, err
		}
		_, errWrite := up.Write(b)
		_, errCommit := up.Commit(t.Context(), digest.FromBytes(b))
		if err := errors.Join(errWrite, errCommit, up.Close()); err != nil {
			return img, err
		}
	}
	_, err := r.PutManifest(t.Context(), repo, img.Manifest, tags...)
	return img, err
}

func mustPush(t *testing.T, r distribution.Registry, repo string, seed uint64, tags ...string) distributiontest.Image {
	t.Helper()
	img, err := push(t, r, repo, seed, tags...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// changes are the methods of the contract that change something, the rest
// reads. A new method must be put on one side or the other.
var (
	changes = []string{"StartUpload", "ResumeUpload", "MountBlob", "PutManifest", "DeleteBlob", "DeleteManifest", "DeleteTag"}
	reads   = []string{"StatBlob", "OpenBlob", "StatManifest", "GetManifest", "StatTag", "GetTag", "Tags", "Repositories", "Referrers"}
)

func TestReadOnlyRefusesEveryChangeAndNothingElse(t *testing.T) {
	t.Parallel()
	contract := reflect.TypeFor[distribution.Registry]()
	if contract.NumMethod() != len(changes)+len(reads) {
		t.Fatalf("the contract has %d methods, this test knows %d", contract.NumMethod(), len(changes)+len(reads))
	}
	r := reflect.ValueOf(filter.ReadOnly(memory(t), "until noon"))
	for _, name := range append(append([]string{}, changes...), reads...) {
		m := r.MethodByName(name)
		args := make([]reflect.Value, m.Type().NumIn())
		for i := range args {
			args[i] = reflect.Zero(m.Type().In(i))
		}
		args[0] = reflect.ValueOf(t.Context())
		call := m.Call
		if m.Type().IsVariadic() {
			call = m.CallSlice
		}
		out := call(args)
		err, _ := out[len(out)-1].Interface().(error)
		refused := errors.Is(err, errdefs.ErrDenied) && strings.Contains(err.Error(), "until noon")
		if want := strings.Contains(strings.Join(changes, " "), name); refused != want {
			t.Errorf("%s: %v; that it is refused should be %v", name, err, want)
		}
	}
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	r := filter.Immutable(memory(t), isRelease)
	a := mustPush(t, r, "team/app", 1, "release-1", "latest")
	mustPush(t, r, "team/app", 1, "release-1") // the same again is no change
	if _, err := push(t, r, "team/app", 2, "latest", "release-1"); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("moving it: %v", err)
	}
	if at, err := r.StatTag(t.Context(), "team/app", "latest"); err != nil || at.Digest != a.Manifest.Descriptor.Digest {
		t.Errorf("latest moved to %s in a push that was refused (%v)", at.Digest, err)
	}
	b := mustPush(t, r, "team/app", 2, "latest")
	for what, err := range map[string]error{
		"deleting the tag":      r.DeleteTag(t.Context(), "team/app", "release-1"),
		"deleting its manifest": r.DeleteManifest(t.Context(), "team/app", a.Manifest.Descriptor.Digest),
	} {
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "release-1") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := r.DeleteTag(t.Context(), "team/app", "latest"); err != nil {
		t.Errorf("the tag that may go: %v", err)
	}
	if err := r.DeleteManifest(t.Context(), "team/app", b.Manifest.Descriptor.Digest); err != nil {
		t.Errorf("the manifest that may go: %v", err)
	}
}

// Of many who push different images to one new tag at once, one wins for good.
func TestImmutableAtOnce(t *testing.T) {
	t.Parallel()
	r := filter.Immutable(memory(t), isRelease)
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range uint64(8) {
		img := mustPush(t, r, "team/app", i, fmt.Sprint("t", i))
		wg.Go(func() {
			if _, err := r.PutManifest(t.Context(), "team/app", img.Manifest, "release-1"); err == nil {
				won.Add(1)
			} else if !errors.Is(err, errdefs.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d pushes moved one immutable tag", won.Load())
	}
}

func TestSelectHides(t *testing.T) {
	t.Parallel()
	all := memory(t)
	img := mustPush(t, all, "hidden/app", 1, "v1")
	for i := range uint64(5) {
		mustPush(t, all, fmt.Sprintf("open/a%d", i), i, "v1")
	}
	mustPush(t, all, "zzz/hidden", 9, "v1")
	r := filter.Select(all, func(repo string) bool { return strings.HasPrefix(repo, "open/") })
	ctx := t.Context()
	_, errGet := r.GetTag(ctx, "hidden/app", "v1")
	_, errPut := r.PutManifest(ctx, "hidden/app", img.Manifest, "v2")
	_, errMount := r.MountBlob(ctx, "open/a0", "hidden/app", img.Config.Digest)
	_, errAny := r.MountBlob(ctx, "open/a0", "", img.Config.Digest)
	_, _, errTags := r.Tags(ctx, "hidden/app", distribution.Page{})
	for what, err := range map[string]error{
		"get": errGet, "put": errPut, "mount": errMount, "mount from any": errAny, "tags": errTags,
		"delete": r.DeleteTag(ctx, "hidden/app", "v1"),
	} {
		if !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var got []string
	for page := (distribution.Page{N: 2}); ; {
		repos, more, err := r.Repositories(ctx, page)
		if err != nil || len(repos) > 2 {
			t.Fatal(repos, err)
		}
		got = append(got, repos...)
		if !more {
			break
		}
		page.Last = repos[len(repos)-1]
	}
	if s := strings.Join(got, " "); s != "open/a0 open/a1 open/a2 open/a3 open/a4" {
		t.Errorf("the catalog has %s", s)
	}
}

// ledger counts what a Meter hears.
type ledger struct{ stored, served, deleted atomic.Int64 }

func (l *ledger) Stored(_ context.Context, _ string, d ocispec.Descriptor) { l.stored.Add(d.Size) }

func (l *ledger) Served(_ context.Context, _ string, d ocispec.Descriptor) { l.served.Add(d.Size) }

func (l *ledger) Deleted(_ context.Context, _ string, _ digest.Digest, _ string) { l.deleted.Add(1) }

func TestMetered(t *testing.T) {
	t.Parallel()
	var l ledger
	r := filter.Metered(memory(t), &l)
	img := mustPush(t, r, "team/app", 1, "v1")
	total := img.Manifest.Descriptor.Size
	for _, b := range img.Blobs {
		total += int64(len(b))
	}
	if l.stored.Load() != total {
		t.Errorf("stored %d bytes, want %d", l.stored.Load(), total)
	}
	if _, err := r.GetTag(t.Context(), "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	rd, err := r.OpenBlob(t.Context(), "team/app", img.Config.Digest)
	if err != nil {
		t.Fatal(err)
	}
	_ = rd.Close()
	if want := img.Manifest.Descriptor.Size + img.Config.Size; l.served.Load() != want {
		t.Errorf("served %d bytes, want %d", l.served.Load(), want)
	}
	_ = r.DeleteTag(t.Context(), "team/app", "nothing")
	if err := r.DeleteTag(t.Context(), "team/app", "v1"); err != nil || l.deleted.Load() != 1 {
		t.Errorf("%v, %d deletions heard of", err, l.deleted.Load())
	}
}

func ExampleReadOnly() {
	var r distribution.Registry // any
	r = filter.ReadOnly(r, "this registry moves house until noon")
	err := r.DeleteTag(context.Background(), "team/app", "v1")
	fmt.Println(err)
	fmt.Println(errors.Is(err, errdefs.ErrDenied))
	// Output:
	// this registry moves house until noon
	// true
}

// TestGuardsAreAskedOfManifests holds one image back, by tag and by digest.
func TestGuardsAreAskedOfManifests(t *testing.T) {
	t.Parallel()
	r := memory(t)
	bad, good := mustPush(t, r, "a/bad", 1, "v1"), mustPush(t, r, "a/good", 2, "v1")
	guarded := filter.Guarded(r,
		func(context.Context, string, ocispec.Descriptor) error { return nil },
		func(_ context.Context, _ string, desc ocispec.Descriptor) error {
			if desc.Digest == bad.Manifest.Descriptor.Digest {
				return errdefs.Errorf(errdefs.ErrDenied, "it is bad")
			}
			return nil
		})
	for repo, want := range map[string]error{"a/bad": errdefs.ErrDenied, "a/good": nil} {
		dgst := map[string]digest.Digest{"a/bad": bad.Manifest.Descriptor.Digest, "a/good": good.Manifest.Descriptor.Digest}[repo]
		for what, read := range map[string]func() (digest.Digest, error){
			"StatManifest": func() (digest.Digest, error) {
				d, err := guarded.StatManifest(t.Context(), repo, dgst)
				return d.Digest, err
			},
			"GetManifest": func() (digest.Digest, error) {
				m, err := guarded.GetManifest(t.Context(), repo, dgst)
				return m.Descriptor.Digest, err
			},
			"StatTag": func() (digest.Digest, error) {
				d, err := guarded.StatTag(t.Context(), repo, "v1")
				return d.Digest, err
			},
			"GetTag": func() (digest.Digest, error) {
				m, err := guarded.GetTag(t.Context(), repo, "v1")
				return m.Descriptor.Digest, err
			},
		} {
			if got, err := read(); !errors.Is(err, want) || want == nil && got != dgst || want != nil && got != "" {
				t.Errorf("%s of %s: %s, %v", what, repo, got, err)
			}
		}
	}
	if _, err := guarded.GetTag(t.Context(), "a/good", "v2"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a tag that is not there: %v", err)
	}
}
