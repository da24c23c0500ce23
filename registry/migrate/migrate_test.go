package migrate_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/registry/auth"
	"cove/registry/metadata/metadatatest"
	"cove/registry/migrate"
	"cove/registry/store"
)

// tree is the storage of another registry.
type tree struct {
	t   *testing.T
	dir string
}

func (tr tree) write(name string, b []byte) {
	tr.t.Helper()
	name = filepath.Join(tr.dir, "docker/registry/v2", name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) blob(dgst digest.Digest, b []byte) {
	tr.t.Helper()
	hex := dgst.Encoded()
	tr.write("blobs/"+dgst.Algorithm().String()+"/"+hex[:2]+"/"+hex+"/data", b)
}

// manifest has a repository hold a manifest.
func (tr tree) manifest(repo string, m distribution.Manifest, tags ...string) {
	tr.t.Helper()
	dgst := m.Descriptor.Digest
	tr.blob(dgst, m.Body)
	of := "repositories/" + repo + "/_manifests/"
	tr.write(of+"revisions/"+dgst.Algorithm().String()+"/"+dgst.Encoded()+"/link", []byte(dgst))
	for _, tag := range tags {
		tr.write(of+"tags/"+tag+"/current/link", []byte(dgst))
		tr.write(of+"tags/"+tag+"/index/sha256/"+dgst.Encoded()+"/link", []byte(dgst))
	}
}

func (tr tree) image(repo string, img distributiontest.Image, tags ...string) {
	tr.t.Helper()
	for dgst, b := range img.Blobs {
		tr.blob(dgst, b)
		tr.write("repositories/"+repo+"/_layers/sha256/"+dgst.Encoded()+"/link", []byte(dgst))
	}
	tr.manifest(repo, img.Manifest, tags...)
}

type everything struct{}

func (everything) May(context.Context, distribution.Action, string) bool { return true }

// TestRun takes over images, an index, shared layers and what is broken, twice.
func TestRun(t *testing.T) {
	t.Parallel()
	tr := tree{t, t.TempDir()}
	a, b := distributiontest.NewImage(t, 1, 5000, 70), distributiontest.NewImage(t, 2, 3000)
	index := distributiontest.Index(t, a.Manifest.Descriptor, b.Manifest.Descriptor)
	tr.image("team/app", a, "v1", "latest")
	tr.image("team/app", b)
	tr.manifest("team/app", index, "all")
	tr.image("team/deep/er/copy", a, "v1")
	tr.image("single", b, "v1")

	broken := distributiontest.NewImage(t, 3, 200)
	tr.image("team/broken", broken, "lost", "also")
	for _, layer := range broken.Layers {
		hex := layer.Digest.Encoded()
		if err := os.Remove(filepath.Join(tr.dir, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")); err != nil {
			t.Fatal(err)
		}
	}
	rotten := distributiontest.NewImage(t, 4, 200)
	tr.image("team/broken", rotten, "rotten")
	tr.blob(rotten.Layers[0].Digest, []byte("other bytes"))
	old := []byte(`{"schemaVersion":1,"name":"old","tag":"v1","fsLayers":[]}`)
	tr.manifest("team/broken", distribution.Manifest{
		Descriptor: ocispec.Descriptor{Digest: digest.FromBytes(old)}, Body: old,
	}, "old")
	tr.write("repositories/team/broken/_manifests/tags/gone/current/link", []byte(digest.FromString("gone")))
	tr.write("repositories/team/broken/_manifests/tags/odd/current/link", []byte("../../etc/passwd"))
	tr.write("repositories/team/broken/_manifests/revisions/sha256/"+digest.FromString("deleted").Encoded()+"/x", nil)

	ctx := auth.WithCaller(t.Context(), auth.Operator())
	r, err := store.New(ctx, store.Config{
		Store: memstore.New(nil), DB: metadatatest.OpenSQLite(t, nil), Rights: everything{},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	for run, want := range []migrate.Done{
		{Repositories: 4, Manifests: 8, Tags: 10, Added: 5, Blobs: len(a.Blobs) + len(b.Blobs)},
		{Repositories: 4, Manifests: 8, Tags: 10},
	} {
		var problems []string
		got, err := migrate.Run(ctx, tr.dir, r, func(err error) { problems = append(problems, err.Error()) })
		if run == 0 {
			// What is good of a broken image may have come or not.
			if got.Blobs < want.Blobs || got.Bytes < 8000 {
				t.Errorf("copied %+v", got)
			}
		}
		got.Blobs, got.Bytes, want.Blobs = 0, 0, 0
		if err != nil || got != want {
			t.Errorf("run %d: %+v, %v, want %+v", run, got, err, want)
		}
		for _, say := range []string{"not in the other registry's storage", "hash to", "schema 1", "gone", "odd"} {
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, say) }) {
				t.Errorf("run %d: no problem says %q: %q", run, say, problems)
			}
		}
		if len(problems) != 5 {
			t.Errorf("run %d: %d problems: %q", run, len(problems), problems)
		}
	}
	for name, want := range map[string]digest.Digest{
		"team/app:v1": a.Manifest.Descriptor.Digest, "team/app:latest": a.Manifest.Descriptor.Digest,
		"team/app:all": index.Descriptor.Digest, "team/deep/er/copy:v1": a.Manifest.Descriptor.Digest,
		"library/single:v1": b.Manifest.Descriptor.Digest,
	} {
		repo, tag, _ := strings.Cut(name, ":")
		if m, err := r.GetTag(ctx, repo, tag); err != nil || m.Descriptor.Digest != want {
			t.Errorf("%s: %v, %v", name, m.Descriptor, err)
		}
	}
	if tags, _, err := r.Tags(ctx, "team/broken", distribution.Page{}); err == nil && len(tags) > 0 {
		t.Errorf("of what is broken: %q", tags)
	}
}

func TestNoStorage(t *testing.T) {
	t.Parallel()
	if _, err := migrate.Run(t.Context(), t.TempDir(), nil, func(error) {}); err == nil {
		t.Error("an empty folder was taken over")
	}
}
