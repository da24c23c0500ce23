package imagecopy

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

// imageFor is an image for a platform, with a layer of its own.
func imageFor(t *testing.T, arch string, seed uint64) distributiontest.Image {
	t.Helper()
	img := distributiontest.NewImage(t, seed, 100)
	config, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: arch},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{img.Layers[0].Digest}},
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(img.Blobs, img.Config.Digest)
	img.Config = distributiontest.Blob(ocispec.MediaTypeImageConfig, config)
	img.Blobs[img.Config.Digest] = config
	img.Manifest = distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: img.Config, Layers: img.Layers,
	})
	return img
}

// put is a layout that has an image under the tag latest.
func put(t *testing.T, img distributiontest.Image) Place {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	d, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	src := copy.Store{Content: distributiontest.StoreOf(t, img)}
	ref := img.Manifest.Descriptor.Digest.String()
	if _, err := copy.Copy(t.Context(), d, src, ref, copy.Options{Tag: "latest"}); err != nil {
		t.Fatal(err)
	}
	return parsed(t, Prefix+dir)
}

func parsed(t *testing.T, name string) Place {
	t.Helper()
	p, err := ParseTarget(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// offers are the platforms of what a place names, with the digests.
func offers(t *testing.T, p Place) (all []string) {
	t.Helper()
	found, err := members(t.Context(), open(t), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range found {
		all = append(all, one.Platform.Architecture+" "+one.Digest.String())
	}
	return all
}

// TestMerge makes an index of two images, and another in which one is newer.
func TestMerge(t *testing.T) {
	t.Parallel()
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	amd, arm, newer := imageFor(t, "amd64", 1), imageFor(t, "arm64", 20), imageFor(t, "arm64", 40)
	key := func(arch string, img distributiontest.Image) string {
		return arch + " " + img.Manifest.Descriptor.Digest.String()
	}
	app := parsed(t, host+"/team/app:v1")
	m := Merge{
		Sources: []Place{put(t, amd), put(t, arm)}, Targets: []Place{app, parsed(t, host+"/team/other")},
		Annotations: map[string]string{"a": "b"},
	}
	desc, err := m.Run(t.Context(), open(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range m.Targets {
		if got := offers(t, to); !slices.Equal(got, []string{key("amd64", amd), key("arm64", arm)}) {
			t.Errorf("%s: %v", to, got)
		}
	}
	dry, err := Merge{Sources: m.Sources, Annotations: m.Annotations}.Index(t.Context(), open(t))
	if err != nil || dry.Descriptor.Digest != desc.Digest {
		t.Errorf("%+v %v, stored was %+v", dry.Descriptor, err, desc)
	}

	again := Merge{Sources: []Place{put(t, newer)}, Targets: []Place{app}, Append: true}
	if _, err := again.Run(t.Context(), open(t)); err != nil {
		t.Fatal(err)
	}
	if got := offers(t, app); !slices.Equal(got, []string{key("amd64", amd), key("arm64", newer)}) {
		t.Errorf("appended: %v", got)
	}

	// An index is taken apart; the same image twice is one.
	back := Merge{
		Sources: []Place{app, put(t, amd)},
		Targets: []Place{parsed(t, Prefix+filepath.Join(t.TempDir(), "back"))},
	}
	if _, err := back.Run(t.Context(), open(t)); err != nil {
		t.Fatal(err)
	}
	if got := offers(t, back.Targets[0]); !slices.Equal(got, []string{key("amd64", amd), key("arm64", newer)}) {
		t.Errorf("in a layout: %v", got)
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	one, two := put(t, imageFor(t, "amd64", 1)), put(t, imageFor(t, "amd64", 20))
	app := parsed(t, host+"/team/app")
	named := app
	named.Digest = digest.FromString("x")
	for name, c := range map[string]struct {
		m    Merge
		want error
	}{
		"two for one platform":   {Merge{Sources: []Place{one, two}, Targets: []Place{app}}, errdefs.ErrInvalid},
		"a target with a digest": {Merge{Sources: []Place{one}, Targets: []Place{named}}, errdefs.ErrInvalid},
		"nothing to append to":   {Merge{Sources: []Place{one}, Append: true}, errdefs.ErrInvalid},
		"what is not there":      {Merge{Sources: []Place{app}, Targets: []Place{app}}, errdefs.ErrNotFound},
	} {
		if _, err := c.m.Run(t.Context(), open(t)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := members(t.Context(), open(t), app); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what failed left a tag: %v", err)
	}
}

// TestWhatIsAboutAnImageGoesWithIt: of an image whose place another takes the
// attestations go too.
func TestWhatIsAboutAnImageGoesWithIt(t *testing.T) {
	t.Parallel()
	image := func(text, arch string) member {
		return member{Descriptor: ocispec.Descriptor{
			Digest: digest.FromString(text), Platform: &ocispec.Platform{OS: "linux", Architecture: arch},
		}}
	}
	about := func(text string, m member) member {
		return member{Descriptor: ocispec.Descriptor{
			Digest: digest.FromString(text), Platform: &ocispec.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": m.Digest.String(),
			},
		}}
	}
	old, other, made := image("old", "amd64"), image("other", "arm64"), image("new", "amd64")
	all := []member{old, other, about("of old", old), about("of other", other)}
	all, left, err := add(all, len(all), made)
	if err != nil || left != 2 {
		t.Fatal(left, err)
	}
	all, _, err = add(all, left, about("of new", made))
	if err != nil {
		t.Fatal(err)
	}
	var got []digest.Digest
	for _, m := range all {
		got = append(got, m.Digest)
	}
	want := []digest.Digest{}
	for _, text := range []string{"other", "of other", "new", "of new"} {
		want = append(want, digest.FromString(text))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
