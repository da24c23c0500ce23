package builder

import (
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
)

// stargz is a layer as the format's own library opens and verifies it, with the bytes of
// one of its files.
func stargz(t *testing.T, w *world, l ocispec.Descriptor, name string) string {
	t.Helper()
	blob, err := w.store.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	r, err := estargz.Open(io.NewSectionReader(blob, 0, blob.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.VerifyTOC(digest.Digest(l.Annotations[estargz.TOCJSONDigestAnnotation])); err != nil {
		t.Fatal(err)
	}
	f, err := r.OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestEstargz: the layers that the steps make are the format's, verified by its own
// library, and gzip for anybody else; the base stays as it is, the files are the same, and
// nothing is packed twice.
func TestEstargz(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"app.conf": strings.Repeat("conf", 1<<20), "d/b": "b"})
	df := "FROM base\nRUN write /etc/made some\nCOPY app.conf /etc/app/\nCOPY d /etc/app/\nRUN rm /etc/app/b\n"
	as := func(r *Request) { r.Compression = "estargz" }
	plain, b := w.must(df), w.must(df, as)
	if len(b.manifest.Layers) != 5 || b.Cached != b.Steps {
		t.Fatalf("%d layers, %d of %d steps cached", len(b.manifest.Layers), b.Cached, b.Steps)
	}
	if b.manifest.Layers[0].Digest != plain.manifest.Layers[0].Digest {
		t.Error("the base was packed anew")
	}
	for path, want := range plain.files {
		if b.files[path] != want {
			t.Errorf("%s is %.40q, and %.40q without", path, b.files[path], want)
		}
	}
	for i, l := range b.manifest.Layers[1:] {
		if l.MediaType != ocispec.MediaTypeImageLayerGzip || l.Digest == plain.manifest.Layers[i+1].Digest ||
			l.Annotations[estargz.StoreUncompressedSizeAnnotation] == "" {
			t.Errorf("layer %d: %+v", i+1, l)
		}
	}
	if got := stargz(t, w, b.manifest.Layers[1], "etc/made"); got != "some" {
		t.Errorf("%q", got)
	}
	if got := stargz(t, w, b.manifest.Layers[2], "etc/app/app.conf"); got != strings.Repeat("conf", 1<<20) {
		t.Errorf("%d bytes", len(got))
	}
	again := w.must(df, as)
	if again.Image().Target.Digest != b.Image().Target.Digest {
		t.Error("the second build made another image")
	}
	best := w.must(df, as, func(r *Request) { r.Level = 1 })
	if best.manifest.Layers[2].Digest == b.manifest.Layers[2].Digest {
		t.Error("the level changes nothing")
	}
}

// TestEstargzForOthers: the standard library's gzip reads it to its end.
func TestEstargzForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "of a"})
	b := w.must("FROM scratch\nCOPY a /\n", func(r *Request) { r.Compression = "estargz" })
	data, err := content.ReadBlob(t.Context(), w.store, b.manifest.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(zr)
	if err != nil || digest.FromBytes(unpacked) != b.config.RootFS.DiffIDs[0] || !strings.Contains(string(unpacked), "of a") {
		t.Errorf("%d bytes, %v", len(unpacked), err)
	}
	_, err = w.build("FROM scratch\nCOPY a /\n", func(r *Request) { r.Compression, r.InlineCache = "estargz", true })
	if !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("with an inline cache: %v", err)
	}
	w.write(map[string]string{"stargz.index.json": "mine"})
	_, err = w.build("FROM scratch\nCOPY stargz.index.json /\n", func(r *Request) { r.Compression = "estargz" })
	if err == nil || !strings.Contains(err.Error(), "packing the layer") {
		t.Errorf("a file that is called like the table: %v", err)
	}
}

// TestForcedCompression: every layer is packed as asked, also those of the base and of the
// cache; their tars stay the same, and nothing is packed twice.
func TestForcedCompression(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": strings.Repeat("of a", 1<<19)})
	df := "FROM base\nRUN write /etc/made some\nCOPY a /\n"
	plain := w.must(df)
	for _, as := range []struct{ compression, mediaType string }{
		{"zstd", ocispec.MediaTypeImageLayerZstd}, {"none", ocispec.MediaTypeImageLayer}, {"gzip", ocispec.MediaTypeImageLayerGzip},
	} {
		force := func(r *Request) { r.Compression, r.ForceCompression = as.compression, true }
		b := w.must(df, force)
		for i, l := range b.manifest.Layers {
			if l.MediaType != as.mediaType {
				t.Errorf("%s: layer %d is %s", as.compression, i, l.MediaType)
			}
		}
		if !slices.Equal(b.config.RootFS.DiffIDs, plain.config.RootFS.DiffIDs) || !maps.Equal(b.files, plain.files) {
			t.Errorf("%s: other layers", as.compression)
		}
		if same := b.Image().Target.Digest == plain.Image().Target.Digest; same != (as.compression == "gzip") {
			t.Errorf("%s: the same image as without: %v", as.compression, same)
		}
		if again := w.must(df, force); again.Image().Target.Digest != b.Image().Target.Digest || again.Cached != again.Steps {
			t.Errorf("%s: the second build made another image", as.compression)
		}
	}
	_, err := w.build(df, func(r *Request) { r.ForceCompression, r.InlineCache = true, true })
	if !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("with an inline cache: %v", err)
	}
}

// TestBaseLayers counts those of the base, below whatever is over it.
func TestBaseLayers(t *testing.T) {
	t.Parallel()
	g := &plan.Graph{}
	base := g.Add(plan.Vertex{Op: &plan.Base{Layers: make([]layers.Layer, 2)}, Parent: plan.None})
	over := g.Add(plan.Vertex{Op: &plan.Workdir{}, Parent: base})
	if g.BaseLayers(over) != 2 || g.BaseLayers(plan.None) != 0 {
		t.Error(g.BaseLayers(over), g.BaseLayers(plan.None))
	}
}
