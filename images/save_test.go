package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/internal/platforms"
)

func save(t testing.TB, s *Store, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := s.Save(t.Context(), &buf, names); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestSaveLoad(t *testing.T) {
	t.Parallel()
	from := newStore(t, nil)
	a := addImage(t, from, "you/app:v1", "a", 3)
	b := addImage(t, from, "redis", "b", 2)
	if err := from.Tag(t.Context(), "redis", "redis:7"); err != nil {
		t.Fatal(err)
	}
	first := save(t, from, "you/app:v1", "redis")
	if !bytes.Equal(first, save(t, from, "redis", "you/app:v1")) {
		t.Error("saving the same images twice gives two archives")
	}
	for _, packed := range []bool{false, true} {
		body := first
		if packed {
			var buf bytes.Buffer
			zw := gzip.NewWriter(&buf)
			_, _ = zw.Write(first)
			_ = zw.Close()
			body = buf.Bytes()
		}
		to := newStore(t, nil)
		loaded, err := to.Load(t.Context(), bytes.NewReader(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]digest.Digest{}
		for _, l := range loaded {
			got[l.Name] = l.ID
		}
		want := map[string]digest.Digest{"docker.io/you/app:v1": a.ID, "docker.io/library/redis:latest": b.ID, "docker.io/library/redis:7": b.ID}
		if len(loaded) != 3 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("loaded %v, want %v", loaded, want)
		}
		img, err := to.Get(t.Context(), "redis")
		if err != nil || img.Target.Digest != b.Target.Digest || len(img.Names) != 2 {
			t.Errorf("redis is %+v, %v", img, err)
		}
		if done, err := to.Collect(t.Context()); err != nil || len(done.Refs) != 0 {
			t.Errorf("loading left garbage: %v, %v", done, err)
		}
	}
}

func TestSaveByRepositoryAndID(t *testing.T) {
	t.Parallel()
	from, to := newStore(t, nil), newStore(t, nil)
	a := addImage(t, from, "app:1", "a", 1)
	b := addImage(t, from, "app:2", "b", 1)
	both, err := newStore(t, nil).Load(t.Context(), bytes.NewReader(save(t, from, "app")), nil)
	if err != nil || len(both) != 2 || !slices.Contains(both, Loaded{"docker.io/library/app:1", a.ID}) || !slices.Contains(both, Loaded{"docker.io/library/app:2", b.ID}) {
		t.Errorf("all tags of a repository: %v, %v", both, err)
	}
	loaded, err := to.Load(t.Context(), bytes.NewReader(save(t, from, a.ID.Encoded()[:12])), nil)
	if err != nil || !slices.Equal(loaded, []Loaded{{ID: a.ID}}) {
		t.Fatalf("loaded %+v, %v", loaded, err)
	}
	if got := nameList(t, to); !slices.Equal(got, []string{"<none>"}) {
		t.Errorf("names: %q", got)
	}
	if err := from.Save(t.Context(), io.Discard, []string{"nothing"}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("saving nothing: %v", err)
	}
}

func TestSaveRefusesRot(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := openStore(t, root, nil)
	a := addImage(t, s, "app", "a", 1)
	path := filepath.Join(root, "images/blobs/sha256", a.Layers[0].Blob.Digest.Encoded())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	err = s.Save(t.Context(), io.Discard, []string{"app"})
	if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), a.Layers[0].Blob.Digest.String()) {
		t.Errorf("saving a rotten layer: %v", err)
	}
}

// entry is one file of an archive made by hand.
type entry struct {
	name, body, link string
	kind             byte
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, e := range entries {
		hdr := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o644, Size: int64(len(e.body))}
		if e.kind == 0 {
			hdr.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// oldArchive is what docker save wrote before version 25: layers in folders of
// their own, one of them a link to another, and everything that explains them
// at the end.
func oldArchive(t testing.TB) (entries []entry, id digest.Digest) {
	t.Helper()
	layer := string(rootfs(t, map[string]string{"hello": "world"}))
	diffID := digest.FromString(layer)
	config, err := json.Marshal(ocispec.Image{Platform: platforms.Host(), RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID, diffID}}})
	if err != nil {
		t.Fatal(err)
	}
	id = digest.FromBytes(config)
	manifest := fmt.Sprintf(`[{"Config":"%s.json","RepoTags":["old:1"],"Layers":["aa/layer.tar","bb/layer.tar"]}]`, id.Encoded())
	return []entry{
		{name: "aa/", kind: tar.TypeDir},
		{name: "aa/VERSION", body: "1.0"},
		{name: "aa/json", body: "{}"},
		{name: "aa/layer.tar", body: layer},
		{name: "bb/layer.tar", kind: tar.TypeSymlink, link: "../aa/layer.tar"},
		{name: id.Encoded() + ".json", body: string(config)},
		{name: "manifest.json", body: manifest},
		{name: "repositories", body: `{"old":{"1":"aa"}}`},
	}, id
}

func TestLoadOldDockerArchive(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	entries, id := oldArchive(t)
	loaded, err := s.Load(t.Context(), bytes.NewReader(archive(t, entries...)), nil)
	if err != nil || !slices.Equal(loaded, []Loaded{{Name: "docker.io/library/old:1", ID: id}}) {
		t.Fatalf("loaded %+v, %v", loaded, err)
	}
	img, err := s.Get(t.Context(), "old:1")
	if err != nil || len(img.Layers) != 2 || img.Layers[0].Blob.MediaType != ocispec.MediaTypeImageLayer {
		t.Errorf("image %+v, %v", img, err)
	}
	// Saved again it keeps its id.
	to := newStore(t, nil)
	if loaded, err = to.Load(t.Context(), bytes.NewReader(save(t, s, "old:1")), nil); err != nil || loaded[0].ID != id {
		t.Errorf("loaded %+v, %v", loaded, err)
	}
}

// TestLoadOddlyPackedLayers: docker unpacks a layer however it is packed. What has no
// media type is kept unpacked, so that it can be pushed.
func TestLoadOddlyPackedLayers(t *testing.T) {
	t.Parallel()
	for _, packer := range []string{"bzip2", "xz"} {
		t.Run(packer, func(t *testing.T) {
			t.Parallel()
			entries, id := oldArchive(t)
			cmd := exec.CommandContext(t.Context(), packer, "-c")
			cmd.Stdin = strings.NewReader(entries[3].body)
			packed, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			entries[3].body = string(packed)
			s := newStore(t, nil)
			if loaded, err := s.Load(t.Context(), bytes.NewReader(archive(t, entries...)), nil); err != nil || loaded[0].ID != id {
				t.Fatalf("loaded %+v, %v", loaded, err)
			}
			img, err := s.Get(t.Context(), "old:1")
			if err != nil || img.Layers[0].Blob.MediaType != ocispec.MediaTypeImageLayer {
				t.Errorf("image %+v, %v", img, err)
			}
			entries[3].body = string(packed[:len(packed)-5])
			if _, err := newStore(t, nil).Load(t.Context(), bytes.NewReader(archive(t, entries...)), nil); !errors.Is(err, errdefs.ErrCorrupt) {
				t.Errorf("cut short: %v", err)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	good, _ := oldArchive(t)
	with := func(change func([]entry) []entry) []byte { return archive(t, change(slices.Clone(good))...) }
	hex := strings.Repeat("ab", 32)
	oci := func(index string) []byte {
		return archive(t, entry{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`}, entry{name: "index.json", body: index})
	}
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, errdefs.ErrInvalid},
		{"not a tar", []byte(strings.Repeat("no tar ", 1000)), errdefs.ErrInvalid},
		{"a root filesystem", rootfs(t, map[string]string{"etc/passwd": "root"}), errdefs.ErrInvalid},
		{"cut short", archive(t, good...)[:2000], errdefs.ErrInvalid},
		{"dot dot", with(func(e []entry) []entry { return append(e, entry{name: "../../etc/passwd", body: "x"}) }), errdefs.ErrInvalid},
		{"absolute", with(func(e []entry) []entry { return append(e, entry{name: "/etc/passwd", body: "x"}) }), errdefs.ErrInvalid},
		{"link out", with(func(e []entry) []entry { e[4].link = "../../../etc/shadow"; return e }), errdefs.ErrInvalid},
		{"absolute link", with(func(e []entry) []entry {
			e[4].link = "/etc/shadow"
			return e
		}), errdefs.ErrInvalid},
		{"link to itself", with(func(e []entry) []entry { e[4].link = "../bb/layer.tar"; return e }), errdefs.ErrInvalid},
		{"link to nothing", with(func(e []entry) []entry { e[4].link = "../cc/layer.tar"; return e }), errdefs.ErrInvalid},
		{"device", with(func(e []entry) []entry { return append(e, entry{name: "dev", kind: tar.TypeChar}) }), errdefs.ErrInvalid},
		{"manifest twice", with(func(e []entry) []entry { return append(e, e[6]) }), errdefs.ErrInvalid},
		{"link over a file", with(func(e []entry) []entry {
			return append(e, entry{name: "aa/layer.tar", kind: tar.TypeSymlink, link: "VERSION"})
		}), errdefs.ErrInvalid},
		{"bad manifest", with(func(e []entry) []entry { e[6].body = "{"; return e }), errdefs.ErrInvalid},
		{"config outside", with(func(e []entry) []entry {
			e[6].body = `[{"Config":"../../etc/passwd","Layers":[]}]`
			return e
		}), errdefs.ErrInvalid},
		{"bad tag", with(func(e []entry) []entry { e[6].body = strings.Replace(e[6].body, "old:1", "OLD:1", 1); return e }), errdefs.ErrInvalid},
		{"layers missing", with(func(e []entry) []entry { e[6].body = strings.Replace(e[6].body, `,"bb/layer.tar"`, "", 1); return e }), errdefs.ErrInvalid},
		{"blob under a wrong digest", archive(t, entry{name: "blobs/sha256/" + hex, body: "x"}), errdefs.ErrCorrupt},
		{"index names what is not there", oci(`{"manifests":[{"digest":"sha256:` + hex + `","size":1}]}`), errdefs.ErrInvalid},
		{"index with a bad digest", oci(`{"manifests":[{"digest":"sha256:../../x","size":1}]}`), errdefs.ErrInvalid},
		{"a layout of another version", archive(t, entry{name: "oci-layout", body: `{"imageLayoutVersion":"2.0.0"}`},
			entry{name: "index.json", body: `{"manifests":[]}`}), errdefs.ErrUnsupported},
		{"a layout that does not say", archive(t, append(slices.Clone(good), entry{name: "oci-layout", body: `{}`},
			entry{name: "index.json", body: `{"manifests":[]}`})...), errdefs.ErrUnsupported},
		{"index of nothing", oci(`{"manifests":[]}`), errdefs.ErrInvalid},
	}
	for _, tt := range tests {
		s := newStore(t, nil)
		loaded, err := s.Load(t.Context(), bytes.NewReader(tt.body), nil)
		if !errors.Is(err, tt.want) || len(loaded) != 0 {
			t.Errorf("%s: loaded %v, %v; want %v", tt.name, loaded, err, tt.want)
		}
		if got := nameList(t, s); len(got) != 0 {
			t.Errorf("%s: left the names %q", tt.name, got)
		}
		for ref, err := range s.cfg.Content.Leased(t.Context()) {
			t.Errorf("%s: left a lease on %s, %v", tt.name, ref, err)
		}
		for info, err := range s.cfg.Content.All(t.Context()) {
			t.Errorf("%s: left the blob %s, %v", tt.name, info.Digest, err)
		}
	}
}

func TestLoadRefusesAConfusingManifest(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	both := []byte(`{"schemaVersion":2,"config":{"digest":"` + digest.FromString("c").String() + `"},"layers":[],"manifests":[{"digest":"` + digest.FromString("m").String() + `"}]}`)
	desc, err := content.WriteBytes(t.Context(), s.cfg.Content, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest}, both)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), desc, "x"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a manifest that is also an index: %v", err)
	}
}

// TestSkopeo exchanges images with another implementation, in place and by
// archive, both ways.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("needs skopeo: apt-get install skopeo")
	}
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "cove"), nil)
	a := addImage(t, s, "you/app:v1", "a", 3)
	addImage(t, s, "redis", "b", 1)
	tarFile := filepath.Join(dir, "saved.tar")
	if err := os.WriteFile(tarFile, save(t, s, "you/app:v1"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), skopeo, append([]string{"--insecure-policy", "--tmpdir", dir}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	layout := filepath.Join(dir, "cove", "images")
	for _, source := range []string{
		"oci:" + layout + ":you/app:v1", "oci:" + layout + ":docker.io/you/app:v1",
		"oci-archive:" + tarFile, "docker-archive:" + tarFile, "docker-archive:" + tarFile + ":you/app:v1",
	} {
		if out := run("inspect", "--config", "--raw", source); digest.FromString(out) != a.ID {
			t.Errorf("%s: config is %s, want %s", source, digest.FromString(out), a.ID)
		}
		run("copy", source, "oci:"+filepath.Join(dir, "copy")+":x") // reads and verifies every layer
	}
	for i, format := range []string{"docker-archive", "oci-archive"} {
		made := filepath.Join(dir, fmt.Sprint("made", i))
		run("copy", "oci:"+layout+":you/app:v1", format+":"+made+":you/back:v2")
		f, err := os.Open(made)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		to := newStore(t, nil)
		loaded, err := to.Load(t.Context(), f, nil)
		if err != nil || !slices.Equal(loaded, []Loaded{{Name: "docker.io/you/back:v2", ID: a.ID}}) {
			t.Errorf("%s of skopeo: loaded %+v, %v", format, loaded, err)
		}
	}
}
