package layout_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

func create(t *testing.T, dir string) *layout.Dir {
	t.Helper()
	d, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bring copies an image into dir under these tags.
func bring(t *testing.T, dir string, img distributiontest.Image, tags ...string) {
	t.Helper()
	d := create(t, dir)
	defer d.Close()
	src := copy.Store{Content: distributiontest.StoreOf(t, img)}
	for _, tag := range tags {
		ref := img.Manifest.Descriptor.Digest.String()
		if _, err := copy.Copy(t.Context(), d, src, ref, copy.Options{Tag: tag}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectory looks at what is on disk when a copy is over: a layout, and nothing
// beside it.
func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "layout")
	a, b := distributiontest.NewImage(t, 1, 10), distributiontest.NewImage(t, 2, 10)
	bring(t, dir, a, "v1", "latest")
	bring(t, dir, b, "latest")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"blobs", "index.json", "oci-layout"}; !slices.Equal(names, want) {
		t.Errorf("the directory has %q, want %q", names, want)
	}
	body, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil || len(index.Manifests) != 2 || index.SchemaVersion != 2 {
		t.Errorf("index.json: %s, %v", body, err)
	}
	d, err := layout.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if tags, err := d.Tags(); err != nil || !slices.Equal(tags, []string{"latest", "v1"}) {
		t.Errorf("tags %q, %v", tags, err)
	}
	for tag, img := range map[string]distributiontest.Image{"v1": a, "latest": b} {
		if m, err := d.Resolve(t.Context(), tag); err != nil || m.Descriptor.Digest != img.Manifest.Descriptor.Digest {
			t.Errorf("%s: %+v, %v", tag, m.Descriptor, err)
		}
	}
}

// TestWithoutTag reads the one image of a layout, and refuses to guess.
func TestWithoutTag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := distributiontest.NewImage(t, 1, 10)
	bring(t, dir, img, "v1", "latest")
	d := create(t, dir)
	defer d.Close()
	cosign := "sha256-" + img.Manifest.Descriptor.Digest.Encoded() + ".sig"
	other := distributiontest.NewImage(t, 2, 10)
	if err := d.PushManifest(t.Context(), other.Manifest, cosign); err != nil {
		t.Fatal(err)
	}
	if m, err := d.Resolve(t.Context(), ""); err != nil || m.Descriptor.Digest != img.Manifest.Descriptor.Digest {
		t.Errorf("the only image: %+v, %v", m.Descriptor, err)
	}
	if err := d.PushManifest(t.Context(), other.Manifest, "other"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Resolve(t.Context(), ""); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "other") {
		t.Errorf("one of two: %v", err)
	}
	if _, err := d.Resolve(t.Context(), "v2"); !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "latest") {
		t.Errorf("no such tag: %v", err)
	}
}

// TestReferrersOfOthers reads referrers that only a list under the tag of the
// specification's schema names.
func TestReferrersOfOthers(t *testing.T) {
	t.Parallel()
	d := create(t, t.TempDir())
	defer d.Close()
	img := distributiontest.NewImage(t, 1, 10)
	empty := distributiontest.Blob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	sbom := distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/sbom", Config: empty, Layers: []ocispec.Descriptor{empty},
		Subject: &img.Manifest.Descriptor,
	})
	list := distributiontest.Index(t, sbom.Descriptor)
	subject := img.Manifest.Descriptor.Digest
	store := d.Content.(content.Ingester)
	if _, err := content.WriteBytes(t.Context(), store, sbom.Descriptor, sbom.Body); err != nil {
		t.Fatal(err)
	}
	if err := d.PushManifest(t.Context(), list, "sha256-"+subject.Encoded()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := d.Referrers(t.Context(), subject)
		if err != nil || len(got) != 1 || got[0].Digest != sbom.Descriptor.Digest {
			t.Errorf("%v, %v", got, err)
		}
		// Entered in index.json too, it is still one.
		if err := d.PushManifest(t.Context(), sbom, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.Referrers(t.Context(), digest.FromString("x")); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

// TestManyWriters enters tags from several openings of one directory at once.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bring(t, dir, distributiontest.NewImage(t, 1, 10), "first")
	var wg sync.WaitGroup
	for _, tag := range []string{"a", "b", "c", "d", "e", "f"} {
		d := create(t, dir)
		wg.Go(func() {
			defer d.Close()
			m, err := d.Resolve(t.Context(), "first")
			if err == nil {
				err = d.PushManifest(t.Context(), distribution.Manifest{
					Descriptor: ocispec.Descriptor{
						MediaType: ocispec.MediaTypeImageManifest, Digest: m.Descriptor.Digest, Size: m.Descriptor.Size,
					}, Body: m.Body,
				}, tag)
			}
			img := distributiontest.NewImage(t, 7, 5000)
			if err == nil {
				src := copy.Store{Content: distributiontest.StoreOf(t, img)}
				_, err = copy.Copy(t.Context(), d, src, img.Manifest.Descriptor.Digest.String(), copy.Options{})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d := create(t, dir)
	defer d.Close()
	if tags, err := d.Tags(); err != nil || len(tags) != 7 {
		t.Errorf("tags %q, %v", tags, err)
	}
}

func TestWhatIsNoLayout(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter"), []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	create(t, broken).Close()
	if err := os.WriteFile(filepath.Join(broken, "index.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Create(full); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a folder of letters: %v", err)
	}
	for _, dir := range []string{full, filepath.Join(full, "none")} {
		if _, err := layout.Open(dir); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	d, err := layout.Open(broken)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Resolve(t.Context(), "v1"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a broken index.json: %v", err)
	}
}

// TestTagsThatAreNames: a store of local images, or containerd's export, tags by whole
// names, whose colon makes them no digests.
func TestTagsThatAreNames(t *testing.T) {
	t.Parallel()
	dir, to := filepath.Join(t.TempDir(), "named"), filepath.Join(t.TempDir(), "to")
	img := distributiontest.NewImage(t, 1, 10)
	bring(t, dir, img, "v1")
	index := filepath.Join(dir, "index.json")
	body, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"docker.io/team/app:v1", "app:latest", "localhost:5000/app:v1"} {
		if err := os.WriteFile(index, []byte(strings.ReplaceAll(string(body), `"v1"`, `"`+name+`"`)), 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := layout.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		dst := create(t, to)
		desc, err := copy.Copy(t.Context(), dst, src, name, copy.Options{Tag: "out"})
		if err != nil || desc.Digest != img.Manifest.Descriptor.Digest {
			t.Errorf("%s: %v, %v", name, desc, err)
		}
		_, _ = src.Close(), dst.Close()
	}
}
