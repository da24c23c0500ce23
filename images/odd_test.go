package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/images/remote/linked"
	"cove/images/tarball"
	"cove/internal/platforms"
	"cove/layers/snapshot/native"
	"cove/layers/snapshot/overlay"
)

// oddTar is an archive whose entries are in a few letters: "f NAME", "d NAME/",
// "l NAME TARGET" (a symbolic link), "h NAME TARGET" (a hard link), "p NAME" (a pipe),
// "x NAME" (of no known type).
func oddTar(t *testing.T, entries ...string) []byte {
	t.Helper()
	types := map[byte]byte{
		'f': tar.TypeReg, 'd': tar.TypeDir, 'l': tar.TypeSymlink, 'h': tar.TypeLink, 'p': tar.TypeFifo, 'x': 'Z',
	}
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		parts := strings.Split(e, " ")
		h := &tar.Header{Typeflag: types[e[0]], Name: parts[1], Mode: 0o644, ModTime: time.Unix(1e9, 0)}
		if len(parts) > 2 {
			h.Linkname = parts[2]
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = 4
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		if h.Size > 0 {
			if _, err := tw.Write([]byte("data")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// oddArchives are those that no tool may make an image of, with the entry that is
// wrong. The builder refuses them in ADD, too.
var oddArchives = map[string]struct {
	entries []string
	wrong   string
	// layer says that it may be a layer, where the name means something.
	layer bool
}{
	"a hard link to nothing":          {[]string{"f b", "h a gone"}, "a", false},
	"a hard link to what comes later": {[]string{"h a b", "f b"}, "a", false},
	"a hard link to itself":           {[]string{"f a", "h a a"}, "a", false},
	"a hard link to a directory":      {[]string{"d d/", "h a d"}, "a", false},
	"a hard link out":                 {[]string{"h a ../../etc/passwd"}, "a", false},
	"below a file":                    {[]string{"f a", "f a/b"}, "a/b", false},
	"below a link to a file":          {[]string{"f a", "l l a", "f l/b"}, "l/b", false},
	"below a link that loops":         {[]string{"l l l", "f l/b"}, "l/b", false},
	"below two links that loop":       {[]string{"l a b", "l b a", "f a/x"}, "a/x", false},
	"a name too long":                 {[]string{"f " + strings.Repeat("n", 256)}, "nnnn", false},
	"a path too long":                 {[]string{"f " + strings.Repeat("dir/", 1100) + "f"}, "dir/", false},
	"a link too long":                 {[]string{"l a " + strings.Repeat("t", 5000)}, "a", false},
	"an unknown type":                 {[]string{"x a"}, "a", false},
	"below a whiteout":                {[]string{"f .wh.d/a"}, ".wh.d/a", false},
	"a whiteout":                      {[]string{"f .wh.a"}, ".wh.a", true},
	"an opaque mark":                  {[]string{"d d/", "f d/.wh..wh..opq"}, "d/.wh..wh..opq", true},
}

// oddWorld is a root, and ways to bring a layer there.
type oddWorld struct {
	*Store
	remote *client.Client
	host   string
}

func newOddWorld(t *testing.T, over bool) oddWorld {
	t.Helper()
	root := t.TempDir()
	w := oddWorld{host: registry(t, nil)}
	w.Store = openStore(t, root, func(cfg *Config) {
		network(t, root)(cfg)
		registries, _ := cfg.Registry()
		w.remote = linked.Client(registries)
		var err error
		if cfg.Snapshots, err = native.New(filepath.Join(root, "snapshots")); over {
			cfg.Snapshots, err = overlay.New(filepath.Join(root, "over"))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	return w
}

// image is one of these layers, in a store of its own.
func oddImage(t *testing.T, layer []byte) (*memstore.Store, ocispec.Descriptor, []ocispec.Descriptor) {
	t.Helper()
	blobs := memstore.New(nil)
	put := func(mediaType string, body []byte) ocispec.Descriptor {
		d := distributiontest.Blob(mediaType, body)
		if _, err := content.WriteBytes(t.Context(), blobs, d, body); err != nil {
			t.Fatal(err)
		}
		return d
	}
	marshal := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	l := put(ocispec.MediaTypeImageLayer, layer)
	config := put(ocispec.MediaTypeImageConfig, marshal(ocispec.Image{
		Platform: platforms.Host(), RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{l.Digest}},
	}))
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{l}}
	m.SchemaVersion = 2
	return blobs, put(ocispec.MediaTypeImageManifest, marshal(m)), []ocispec.Descriptor{l, config}
}

// bring brings the layer here in each way that there is.
func (w oddWorld) bring(t *testing.T, layer []byte) map[string]error {
	t.Helper()
	ctx := t.Context()
	blobs, target, parts := oddImage(t, layer)
	_, imported := w.Import(ctx, bytes.NewReader(layer), ImportOptions{Name: "imported"})
	var archive bytes.Buffer
	err := tarball.Write(ctx, &archive, blobs, []tarball.Image{{Names: []string{"docker.io/library/loaded:latest"}, Target: target}},
		append(parts, target))
	if err != nil {
		t.Fatal(err)
	}
	_, loaded := w.Load(ctx, &archive, nil)
	to := &copy.Remote{Repo: w.remote.Repository(w.host, "odd")}
	if _, err := copy.Copy(ctx, to, copy.Store{Content: blobs}, target.Digest.String(), copy.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	_, pulled := w.Pull(ctx, w.host+"/odd:v1", PullOptions{})
	return map[string]error{"import": imported, "load": loaded, "pull": pulled}
}

func refused(err error) bool {
	return errors.Is(err, errdefs.ErrInvalid) || errors.Is(err, errdefs.ErrExhausted) || errors.Is(err, errdefs.ErrUnsupported)
}

// TestOddArchivesMakeNoImage: an archive that nobody could unpack again is refused
// whatever way it comes, with the entry that is wrong, and nothing of it stays.
func TestOddArchivesMakeNoImage(t *testing.T) {
	t.Parallel()
	for _, over := range []bool{false, true} {
		if over && overlay.Supported(t.TempDir()) != nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(oddArchives)) {
			tc := oddArchives[name]
			w := newOddWorld(t, over)
			for how, err := range w.bring(t, oddTar(t, tc.entries...)) {
				if tc.layer && how != "import" {
					if err != nil {
						t.Errorf("%s of %s: %v", how, name, err)
					}
					continue
				}
				if !refused(err) || !strings.Contains(err.Error(), `entry "`+tc.wrong) && !strings.Contains(err.Error(), `"`+tc.wrong+`"`) {
					t.Errorf("%s of %s (overlay %v): %v, want the name of entry %s", how, name, over, err, tc.wrong)
				}
			}
			if tc.layer {
				continue
			}
			if names := nameList(t, w.Store); len(names) > 0 {
				t.Errorf("%s: the images %q stay", name, names)
			}
			for info, err := range w.cfg.Content.All(context.Background()) {
				t.Errorf("%s: blob %s stays, %v", name, info.Digest, err)
			}
			for info, err := range w.cfg.Snapshots.All(context.Background()) {
				t.Errorf("%s: snapshot %s stays, %v", name, info.Key, err)
			}
		}
	}
}
