package listing

import (
	"archive/tar"
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/fsstore"
	"cove/errdefs"
	"cove/images"
	"cove/images/image"
	_ "cove/layers/compress/codec/linked"
	"cove/reference"
)

// TestImages filters three images, made an hour apart: redis:7, which is also
// team/redis:v1, then web:v1, then web:v2 with a label.
func TestImages(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	blobs, err := fsstore.Open(filepath.Join(root, "images"), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	now := noon
	store, err := images.Open(images.Config{Root: root, Content: blobs, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	for i, o := range []images.ImportOptions{
		{Name: "redis:7"},
		{Name: "web:v1"},
		{Name: "web:v2", Config: image.Config{ImageConfig: ocispec.ImageConfig{Labels: map[string]string{"team": "x", "tier": "web"}}}},
	} {
		now = noon.Add(time.Duration(i) * time.Hour)
		if _, err := store.Import(t.Context(), bytes.NewReader(empty.Bytes()), o); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Tag(t.Context(), "redis:7", "team/redis:v1"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ filters, want string }{
		{"", "web:v2 web:v1 redis:7 team/redis:v1"},
		{"reference=web", "web:v2 web:v1"},
		{"reference=web:v1", "web:v1"},
		{"reference=re*", "redis:7"}, // a slash is not matched by a star
		{"reference=*/re*:v?", "team/redis:v1"},
		{"reference=*:v1", "web:v1"},
		{"reference=re* reference=web:v2", "web:v2 redis:7"},
		{"reference=docker.io/library/redis", "redis:7"},
		{"reference=nothing", ""},
		{"before=web:v1", "redis:7 team/redis:v1"},
		{"since=web:v1", "web:v2"},
		{"since=redis:7 before=web:v2", "web:v1"},
		{"until=2026-11-20T12:30:00Z", "redis:7 team/redis:v1"},
		{"until=90m", "redis:7 team/redis:v1"}, // it is 14:00
		{"label=team", "web:v2"},
		{"label=team=x label=tier=db", ""},
		{"dangling=false reference=web:v2", "web:v2"},
		{"dangling=1", ""},
	} {
		got, err := Images(t.Context(), store, parsed(tt.filters), noon.Add(2*time.Hour))
		var names []string
		for _, r := range got {
			names = append(names, r.Repository+":"+r.Tag)
		}
		if want := strings.Fields(tt.want); err != nil || !slices.Equal(names, want) {
			t.Errorf("%s: %q, %v; want %q", tt.filters, names, err, want)
		}
	}
	for filter, kind := range map[string]error{
		"colour=red": errdefs.ErrInvalid, "dangling=maybe": errdefs.ErrInvalid, "reference=[": errdefs.ErrInvalid,
		"until=then": errdefs.ErrInvalid, "before=nosuch": errdefs.ErrNotFound,
	} {
		if _, err := Images(t.Context(), store, parsed(filter), noon); !errors.Is(err, kind) {
			t.Errorf("%s: got %v, want %v", filter, err, kind)
		}
	}
}

// TestDangling: an image without a name, and one that is known by its digest alone.
func TestDangling(t *testing.T) {
	t.Parallel()
	ref, err := reference.Parse("redis")
	if err != nil {
		t.Fatal(err)
	}
	named := Image{Image: image.Image{Names: []reference.Reference{ref}}}
	byDigest := Image{Image: image.Image{Digests: []reference.Reference{ref.WithDigest("sha256:" + digest.Digest(strings.Repeat("a", 64)))}}}
	for value, want := range map[string][3]bool{"true": {false, true, true}, "false": {true, true, false}} {
		test, err := imageTest(t.Context(), nil, "dangling", value, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]bool{test(named), test(byDigest), test(Image{})}; got != want {
			t.Errorf("dangling=%s: named, by digest and neither are %v, want %v", value, got, want)
		}
	}
}

func parsed(filters string) ImageFilter {
	f := ImageFilter{}
	for _, term := range strings.Fields(filters) {
		key, value, _ := strings.Cut(term, "=")
		f[key] = append(f[key], value)
	}
	return f
}
