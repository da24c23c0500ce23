package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/internal/platforms"
)

func zipped(t testing.TB, b string, level int) string {
	t.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// claim is an image of one layer whose config says diffID, whatever its bytes.
type claim struct {
	blob, config, manifest string
	layer, conf, target    ocispec.Descriptor
}

func newClaim(t testing.TB, blob string, diffID digest.Digest, change func(m *ocispec.Manifest)) claim {
	t.Helper()
	config, err := json.Marshal(ocispec.Image{
		Author: t.Name(), Platform: platforms.Host(), RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := claim{blob: blob, config: string(config)}
	c.layer = distributiontest.Blob(ocispec.MediaTypeImageLayerGzip, []byte(blob))
	c.conf = distributiontest.Blob(ocispec.MediaTypeImageConfig, config)
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: c.conf, Layers: []ocispec.Descriptor{c.layer}}
	m.SchemaVersion = 2
	if change != nil {
		change(&m)
	}
	made := distributiontest.NewManifest(t, m)
	c.manifest, c.target = string(made.Body), made.Descriptor
	return c
}

func (c claim) layout(t testing.TB) []byte {
	t.Helper()
	index, err := json.Marshal(ocispec.Index{Manifests: []ocispec.Descriptor{c.target}})
	if err != nil {
		t.Fatal(err)
	}
	return archive(t,
		entry{name: "blobs/sha256/" + c.layer.Digest.Encoded(), body: c.blob},
		entry{name: "blobs/sha256/" + c.conf.Digest.Encoded(), body: c.config},
		entry{name: "blobs/sha256/" + c.target.Digest.Encoded(), body: c.manifest},
		entry{name: "index.json", body: string(index)})
}

func (c claim) docker(t testing.TB, more ...entry) []byte {
	t.Helper()
	return archive(t, append(more,
		entry{name: "aa/layer.tar", body: c.blob},
		entry{name: c.conf.Digest.Encoded() + ".json", body: c.config},
		entry{name: "manifest.json", body: fmt.Sprintf(`[{"Config":"%s.json","RepoTags":["evil:1"],"Layers":["aa/layer.tar"]}]`, c.conf.Digest.Encoded())})...)
}

// TestClaimsAreChecked: an image that comes in names what is here already, and
// says what is not so of it. It is refused, whether or not snapshots are there
// to compare with, and what is here stays as it was.
func TestClaimsAreChecked(t *testing.T) {
	t.Parallel()
	goodTar := string(rootfs(t, map[string]string{"etc/passwd": "root"}))
	evilTar := string(rootfs(t, map[string]string{"etc/passwd": "evil"}))
	goodID := digest.FromString(goodTar)
	good := newClaim(t, zipped(t, goodTar, 9), goodID, nil)
	other := newClaim(t, zipped(t, evilTar, 9), digest.FromString(evilTar), nil) // honest, and here too
	short := func(m *ocispec.Manifest) { m.Layers[0].Size-- }
	nothing := func(m *ocispec.Manifest) { m.Layers[0].Size = 0 }
	wrongConfig := func(m *ocispec.Manifest) { m.Config.Size++ }
	link := func(c claim) []byte {
		return archive(t, entry{name: "bb/layer.tar", body: c.blob},
			entry{name: "aa/layer.tar", kind: tar.TypeSymlink, link: "../bb/layer.tar"},
			entry{name: c.conf.Digest.Encoded() + ".json", body: c.config},
			entry{name: "manifest.json", body: fmt.Sprintf(`[{"Config":"%s.json","Layers":["aa/layer.tar"]}]`, c.conf.Digest.Encoded())})
	}
	renamed := good
	renamed.blob = good.blob[:len(good.blob)-1] + "x"
	for name, tc := range map[string]struct {
		archive []byte
		pushed  *claim // is pulled from a registry instead
		kind    error
	}{
		"docker archive":              {archive: newClaim(t, evilTar+" ", goodID, nil).docker(t), kind: errdefs.ErrCorrupt},
		"docker archive, compressed":  {archive: newClaim(t, zipped(t, evilTar, 1), goodID, nil).docker(t), kind: errdefs.ErrCorrupt},
		"docker archive, linked":      {archive: link(newClaim(t, evilTar+" ", goodID, nil)), kind: errdefs.ErrCorrupt},
		"layout":                      {archive: newClaim(t, zipped(t, evilTar, 1), goodID, nil).layout(t), kind: errdefs.ErrCorrupt},
		"another layer that is here":  {archive: newClaim(t, other.blob, goodID, nil).layout(t), kind: errdefs.ErrCorrupt},
		"a layer's name, other bytes": {archive: renamed.layout(t), kind: errdefs.ErrCorrupt},
		"a layer's size":              {archive: newClaim(t, good.blob, goodID, short).layout(t), kind: errdefs.ErrInvalid},
		"a layer of size 0":           {archive: newClaim(t, good.blob, goodID, nothing).layout(t), kind: errdefs.ErrInvalid},
		"a config's size":             {archive: newClaim(t, good.blob, goodID, wrongConfig).layout(t), kind: errdefs.ErrCorrupt},
		"one name twice":              {archive: newClaim(t, evilTar, goodID, nil).docker(t, entry{name: "aa/layer.tar", body: goodTar}), kind: errdefs.ErrInvalid},
		"pulled":                      {pushed: ptr(newClaim(t, zipped(t, evilTar, 1), goodID, nil)), kind: errdefs.ErrCorrupt},
		"pulled, a layer that is here": {
			pushed: ptr(newClaim(t, other.blob, goodID, nil)), kind: errdefs.ErrCorrupt,
		},
		"pulled, a layer's size":  {pushed: ptr(newClaim(t, good.blob, goodID, short)), kind: errdefs.ErrInvalid},
		"pulled, a config's size": {pushed: ptr(newClaim(t, good.blob, goodID, wrongConfig)), kind: nil},
		// What is true comes in.
		"true":                         {archive: good.layout(t)},
		"true, compressed in another":  {archive: newClaim(t, zipped(t, goodTar, 1), goodID, nil).layout(t)},
		"true, not compressed":         {archive: newClaim(t, goodTar, goodID, nil).docker(t)},
		"true, pulled and known":       {pushed: &good},
		"true, pulled and new as blob": {pushed: ptr(newClaim(t, zipped(t, goodTar, 2), goodID, nil))},
	} {
		for _, unpacked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/snapshots=%v", name, unpacked), func(t *testing.T) {
				t.Parallel()
				s := connected(t)
				if !unpacked {
					s = newStore(t, func(cfg *Config) { cfg.Registry = s.cfg.Registry })
				}
				for _, c := range []claim{good, other} {
					if _, err := s.Load(t.Context(), bytes.NewReader(c.layout(t)), nil); err != nil {
						t.Fatal(err)
					}
				}
				before := blobs(t, s)
				var err error
				if tc.pushed != nil {
					_, err = s.Pull(t.Context(), serveClaim(t, *tc.pushed), PullOptions{})
				} else {
					_, err = s.Load(t.Context(), bytes.NewReader(tc.archive), nil)
				}
				truth := tc.kind == nil && name[:4] == "true"
				if truth != (err == nil) || tc.kind != nil && !errors.Is(err, tc.kind) {
					t.Errorf("%v, want kind %v", err, tc.kind)
				}
				if list, err := s.List(t.Context()); err != nil || !truth && len(list) != 2 {
					t.Errorf("%d images, %v", len(list), err)
				}
				for _, c := range []claim{good, other} {
					if err := s.Save(t.Context(), io.Discard, []string{c.conf.Digest.String()}); err != nil {
						t.Errorf("what was here: %v", err)
					}
				}
				if after := blobs(t, s); tc.archive != nil && !truth && !slices.Equal(before, after) {
					t.Errorf("the refused archive left or took blobs:\n%v\n%v", before, after)
				}
			})
		}
	}
}

func ptr[T any](v T) *T { return &v }

func blobs(t testing.TB, s *Store) (all []digest.Digest) {
	t.Helper()
	for info, err := range s.cfg.Content.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, info.Digest)
	}
	slices.Sort(all)
	return all
}

// serveClaim serves an image as it is, as a registry that believes everything.
func serveClaim(t *testing.T, c claim) (name string) {
	t.Helper()
	bodies := map[string]string{
		"/v2/":                  "{}",
		"/v2/evil/manifests/v1": c.manifest,
		"/v2/evil/manifests/" + c.target.Digest.String():         c.manifest,
		"/v2/evil/blobs/" + c.layer.Digest.String():              c.blob,
		"/v2/evil/blobs/" + digest.FromString(c.config).String(): c.config,
	}
	return distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", c.target.MediaType)
		}
		_, _ = io.WriteString(w, body)
	})) + "/evil:v1"
}

// TestLoadHeals: what rotted here is brought anew by the archive that has it,
// a layer or a config.
func TestLoadHeals(t *testing.T) {
	t.Parallel()
	goodTar := string(rootfs(t, map[string]string{"a": "b"}))
	c := newClaim(t, zipped(t, goodTar, 9), digest.FromString(goodTar), nil)
	root := t.TempDir()
	s := openStore(t, root, nil)
	for _, desc := range []ocispec.Descriptor{{}, c.layer, c.conf, c.target} {
		if desc.Digest != "" {
			path := filepath.Join(root, "images/blobs/sha256", desc.Digest.Encoded())
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Load(t.Context(), bytes.NewReader(c.layout(t)), nil); err != nil {
			t.Errorf("%s damaged: %v", desc.MediaType, err)
		}
		if err := s.Save(t.Context(), io.Discard, []string{c.conf.Digest.String()}); err != nil {
			t.Errorf("%s damaged: %v", desc.MediaType, err)
		}
	}
}
