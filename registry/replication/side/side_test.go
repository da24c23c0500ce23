package side

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/time/rate"

	"cove/content"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/errdefs"
)

// TestSlowed reads a blob at a rate, whole and right, and stops with its context.
func TestSlowed(t *testing.T) {
	t.Parallel()
	b := distributiontest.Bytes(1, 300_000)
	desc := distributiontest.Blob("", b)
	store := distributiontest.Store(t, b)
	limit := rate.NewLimiter(200_000, 64<<10)
	src := Slowed{copy.Store{Content: store}, limit.WaitN, limit.Burst()}
	begun := time.Now()
	r, err := src.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("it took %v", took)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if r, err = src.Open(ctx, desc); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stop()
	if _, err := r.ReadAt(make([]byte, 200_000), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	var told int64
	m := NewMeter(func(n int64) { told += n })
	a, b := ocispec.Descriptor{Digest: "sha256:a"}, ocispec.Descriptor{Digest: "sha256:b"}
	for _, e := range []progress.Event{
		{Kind: progress.Waiting, Desc: a, Offset: 0},
		{Kind: progress.Pushing, Desc: a, Offset: 0},
		{Kind: progress.Pushing, Desc: a, Offset: 10},
		{Kind: progress.Pushing, Desc: b, Offset: 500}, // it goes on there
		{Kind: progress.Pushing, Desc: b, Offset: 505},
		{Kind: progress.Retrying, Desc: a, Offset: 10},
		{Kind: progress.Pushing, Desc: a, Offset: 4}, // the registry has less
		{Kind: progress.Pushing, Desc: a, Offset: 12},
		{Kind: progress.AlreadyExists, Desc: a, Offset: 1000},
	} {
		m.Hear(e)
	}
	if want := int64(10 + 5 + 8); m.Bytes() != want || told != want {
		t.Errorf("%d, told %d, want %d", m.Bytes(), told, want)
	}
}

// TestSameReferrers compares what refers to an image at two registries.
func TestSameReferrers(t *testing.T) {
	t.Parallel()
	site := func() *distributiontest.Memory { return distributiontest.NewMemory(distributiontest.StoreOf(t)) }
	a, b := site(), site()
	img := distributiontest.NewImage(t, 1, 10)
	push := func(to *distributiontest.Memory, m distribution.Manifest, tags ...string) {
		t.Helper()
		for _, blob := range append([][]byte{[]byte("{}")}, values(img)...) {
			up, err := to.StartUpload(t.Context(), "team/app")
			if err == nil {
				_, _ = up.Write(blob)
				_, err = up.Commit(t.Context(), distributiontest.Blob("", blob).Digest)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := to.PutManifest(t.Context(), "team/app", m, tags...); err != nil {
			t.Fatal(err)
		}
	}
	push(a, img.Manifest, "v1")
	push(b, img.Manifest, "v1")
	remote := func(of *distributiontest.Memory) Repository {
		c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
		return remoteRepository{&copy.Remote{Repo: c.Repository(distributiontest.Serve(t, t.Context(), of), "team/app")}}
	}
	same := func(want bool) {
		t.Helper()
		for _, pair := range [][2]Repository{
			{Here{a}.Repository("team/app"), remote(b)}, {remote(a), Here{b}.Repository("team/app")},
		} {
			got, err := SameReferrers(t.Context(), pair[0], pair[1], img.Manifest.Descriptor.Digest)
			if err != nil || got != want {
				t.Errorf("%v (%v), want %v", got, err, want)
			}
		}
	}
	same(true)
	empty := distributiontest.Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	note := distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "a/b",
		Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &img.Manifest.Descriptor,
	})
	push(a, note)
	same(false)
	push(b, note)
	same(true)
	cosign := strings.Replace(img.Manifest.Descriptor.Digest.String(), ":", "-", 1) + ".sig"
	push(a, note, cosign)
	same(false)
	push(b, note, cosign)
	same(true)
}

func values(img distributiontest.Image) (all [][]byte) {
	for _, b := range img.Blobs {
		all = append(all, b)
	}
	return all
}

// TestSides lists and deletes at both kinds of side.
func TestSides(t *testing.T) {
	t.Parallel()
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	host := distributiontest.Serve(t, t.Context(), reg)
	c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
	img := distributiontest.NewImage(t, 1, 10)
	to := distributiontest.To(c.Repository(host, "team/app"), client.PushOptions{})
	for _, tag := range []string{"v1", "v2", "v3"} {
		if err := to.Push(t.Context(), tag, img.Manifest.Descriptor, distributiontest.StoreOf(t, img)); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := (Here{reg}).Repositories(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("%q %v", all, err)
	}
	for i, r := range []Repository{Here{reg}.Repository("team/app"), remoteRepository{&copy.Remote{Repo: c.Repository(host, "team/app")}}} {
		if tags, err := r.Tags(t.Context()); err != nil || len(tags) != 3-i {
			t.Errorf("%q %v", tags, err)
		}
		tag := []string{"v1", "v2"}[i]
		if err := r.DeleteTag(t.Context(), tag); err != nil {
			t.Error(err)
		}
		if _, err := r.Stat(t.Context(), tag); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", tag, err)
		}
		if _, err := r.Stat(t.Context(), img.Manifest.Descriptor.Digest.String()); err != nil {
			t.Errorf("the image is gone: %v", err)
		}
	}
}

var _ content.Provider = Slowed{}

// listed is a repository whose list of referrers is what it is told.
type listed struct {
	Repository
	of []ocispec.Descriptor
}

func (l listed) Referrers(context.Context, digest.Digest) ([]ocispec.Descriptor, error) {
	return l.of, nil
}

// TestListedAndGone: what the source lists and no longer has is not waited for.
func TestListedAndGone(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 10)
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.StoreOf(t)))
	repo := distributiontest.NewClient(t, client.Config{RetryFor: -1}).Repository(host, "team/app")
	if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "", img.Manifest.Descriptor, distributiontest.StoreOf(t, img)); err != nil {
		t.Fatal(err)
	}
	src, dst := remoteRepository{&copy.Remote{Repo: repo}}, remoteRepository{}
	one := img.Manifest.Descriptor
	gone := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("gone"), Size: 7}
	for name, c := range map[string]struct {
		src, dst []ocispec.Descriptor
		want     bool
	}{
		"none":           {nil, nil, true},
		"both":           {[]ocispec.Descriptor{one}, []ocispec.Descriptor{one}, true},
		"one is new":     {[]ocispec.Descriptor{one}, nil, false},
		"one is gone":    {[]ocispec.Descriptor{gone}, nil, true},
		"gone and new":   {[]ocispec.Descriptor{gone, one}, nil, false},
		"gone, and both": {[]ocispec.Descriptor{gone, one}, []ocispec.Descriptor{one}, true},
	} {
		same, err := SameReferrers(t.Context(), listed{src, c.src}, listed{dst, c.dst}, digest.FromString("subject"))
		if err != nil || same != c.want {
			t.Errorf("%s: %v, %v", name, same, err)
		}
	}
}
