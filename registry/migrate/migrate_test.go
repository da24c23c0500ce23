package migrate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/content/memstore"
	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata/metadatatest"
	"cove/registry/migrate"
	"cove/registry/storage"
	"cove/registry/store"
)

// tree is the storage of another registry: a folder, or a bucket.
type tree struct {
	t      *testing.T
	dir    string
	bucket *objects.Bucket // nil: dir
}

const layout = "docker/registry/v2/"

func (tr tree) write(name string, b []byte) {
	tr.t.Helper()
	if tr.bucket != nil {
		if err := tr.bucket.Put(tr.t.Context(), layout+name, b); err != nil {
			tr.t.Fatal(err)
		}
		return
	}
	name = filepath.Join(tr.dir, layout, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) remove(dgst digest.Digest) {
	tr.t.Helper()
	var err error
	if tr.bucket != nil {
		err = tr.bucket.Delete(tr.t.Context(), layout+blobName(dgst))
	} else {
		err = os.Remove(filepath.Join(tr.dir, layout, blobName(dgst)))
	}
	if err != nil {
		tr.t.Fatal(err)
	}
}

func blobName(dgst digest.Digest) string {
	hex := dgst.Encoded()
	return "blobs/" + dgst.Algorithm().String() + "/" + hex[:2] + "/" + hex + "/data"
}

func (tr tree) blob(dgst digest.Digest, b []byte) {
	tr.t.Helper()
	tr.write(blobName(dgst), b)
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

// planted is what a tree has: images that are whole, and those that are not.
type planted struct {
	a, b  distributiontest.Image
	index distribution.Manifest
}

func plant(tr tree) planted {
	t := tr.t
	t.Helper()
	p := planted{a: distributiontest.NewImage(t, 1, 5000, 70), b: distributiontest.NewImage(t, 2, 3000)}
	p.index = distributiontest.Index(t, p.a.Manifest.Descriptor, p.b.Manifest.Descriptor)
	tr.image("team/app", p.a, "v1", "latest")
	tr.image("team/app", p.b)
	tr.manifest("team/app", p.index, "all")
	tr.image("team/deep/er/copy", p.a, "v1")
	tr.image("single", p.b, "v1")

	broken := distributiontest.NewImage(t, 3, 200)
	tr.image("team/broken", broken, "lost", "also")
	for _, layer := range broken.Layers {
		tr.remove(layer.Digest)
	}
	rotten := distributiontest.NewImage(t, 4, 200)
	tr.image("team/broken", rotten, "rotten")
	tr.blob(rotten.Layers[0].Digest, distributiontest.Bytes(99, int(rotten.Layers[0].Size)))
	old := []byte(`{"schemaVersion":1,"name":"old","tag":"v1","fsLayers":[]}`)
	tr.manifest("team/broken", distribution.Manifest{
		Descriptor: ocispec.Descriptor{Digest: digest.FromBytes(old)}, Body: old,
	}, "old")
	tr.write("repositories/team/broken/_manifests/tags/gone/current/link", []byte(digest.FromString("gone")))
	tr.write("repositories/team/broken/_manifests/tags/odd/current/link", []byte("../../etc/passwd"))
	tr.write("repositories/team/broken/_manifests/revisions/sha256/"+digest.FromString("deleted").Encoded()+"/x", nil)
	return p
}

// way is how bytes come from one storage to another.
type way struct {
	tree tree
	open func() (migrate.Origin, migrate.Give, error)
	to   content.BlobStore
}

func folderOf(tr tree) (*migrate.Folder, error) { return migrate.OpenFolder(tr.dir) }

// ways are a copy from a folder, one by links, and from a bucket by its service and
// through this process.
func ways(t *testing.T) map[string]way {
	t.Helper()
	copied, linked := tree{t: t, dir: t.TempDir()}, tree{t: t, dir: t.TempDir()}
	files, err := fsstore.Open(t.TempDir(), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	all := map[string]way{
		"copied": {copied, func() (migrate.Origin, migrate.Give, error) {
			from, err := folderOf(copied)
			return from, nil, err
		}, memstore.New(nil)},
		"linked": {linked, func() (migrate.Origin, migrate.Give, error) {
			from, err := folderOf(linked)
			return from, from.Link(files), err
		}, files},
	}
	service := s3test.Start(t)
	for name, byService := range map[string]bool{"by the service": true, "through here": false} {
		at := service.Config()
		source, err := objects.Connect(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = source.Close() })
		mine := service.Config()
		to, err := storage.Open(t.Context(), storage.Config{Root: t.TempDir(), Bucket: &mine, DB: metadatatest.OpenSQLite(t, nil)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = to.Close() })
		all[name] = way{tree{t: t, bucket: source}, func() (migrate.Origin, migrate.Give, error) {
			from, err := migrate.OpenBucket(t.Context(), at)
			if err != nil || !byService {
				return from, nil, err
			}
			return from, from.Copy(to.Bytes.(migrate.Copier)), nil
		}, to.Bytes}
	}
	return all
}

func newRegistry(t *testing.T, bytes content.BlobStore) (context.Context, *store.Registry) {
	t.Helper()
	ctx := auth.WithCaller(t.Context(), auth.Operator())
	r, err := store.New(ctx, store.Config{
		Store: bytes, DB: metadatatest.OpenSQLite(t, nil), Rights: everything{},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, r
}

// TestRun takes over images, an index, shared layers and what is broken, twice, by each
// way.
func TestRun(t *testing.T) {
	t.Parallel()
	for name, w := range ways(t) {
		t.Run(name, func(t *testing.T) {
			p := plant(w.tree)
			ctx, r := newRegistry(t, w.to)
			for run, want := range []migrate.Count{
				{Manifests: 8, Tags: 10, Added: 5, Blobs: len(p.a.Blobs) + len(p.b.Blobs)}, {Manifests: 8, Tags: 10},
			} {
				takeOver(t, ctx, r, w, want, run == 0)
			}
			for name, want := range map[string]digest.Digest{
				"team/app:v1": p.a.Manifest.Descriptor.Digest, "team/app:latest": p.a.Manifest.Descriptor.Digest,
				"team/app:all": p.index.Descriptor.Digest, "team/deep/er/copy:v1": p.a.Manifest.Descriptor.Digest,
				"library/single:v1": p.b.Manifest.Descriptor.Digest,
			} {
				repo, tag, _ := strings.Cut(name, ":")
				if m, err := r.GetTag(ctx, repo, tag); err != nil || m.Descriptor.Digest != want {
					t.Errorf("%s: %v, %v", name, m.Descriptor, err)
				}
			}
			for dgst, b := range p.a.Blobs {
				got, err := content.ReadBlob(ctx, w.to, ocispec.Descriptor{Digest: dgst})
				if err != nil || len(got) != len(b) {
					t.Errorf("%s: %d bytes, %v", dgst, len(got), err)
				}
			}
			if tags, _, err := r.Tags(ctx, "team/broken", distribution.Page{}); err == nil && len(tags) > 0 {
				t.Errorf("of what is broken: %q", tags)
			}
		})
	}
}

// takeOver runs an import and compares what it says.
func takeOver(t *testing.T, ctx context.Context, r *store.Registry, w way, want migrate.Count, first bool) {
	t.Helper()
	from, give, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var problems []string
	report, err := migrate.Run(ctx, migrate.Config{From: from, To: r, Give: give, Problem: func(err error) {
		problems = append(problems, err.Error())
	}})
	got := report.Total
	// What is good of a broken image may have come or not.
	if first && (got.Blobs < want.Blobs || got.Bytes < 8000) {
		t.Errorf("brought %+v", got)
	}
	got.Blobs, got.Bytes, got.Problems, want.Blobs = 0, 0, nil, 0
	if err != nil || got.Manifests != want.Manifests || got.Tags != want.Tags || got.Added != want.Added {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, say := range []string{"not in the other registry's storage", "hash to", "schema 1", "gone", "odd"} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, say) }) {
			t.Errorf("no problem says %q: %q", say, problems)
		}
	}
	var names, told []string
	for _, repo := range report.Repositories {
		names, told = append(names, repo.Name), append(told, repo.Problems...)
	}
	if !slices.Equal(names, []string{"single", "team/app", "team/broken", "team/deep/er/copy"}) {
		t.Errorf("reported: %q", names)
	}
	if len(problems) != 5 || len(told) != 5 {
		t.Errorf("%d problems, %d reported: %q", len(problems), len(told), problems)
	}
}

// TestLinks looks at the files: one with two names, which outlives the older name.
func TestLinks(t *testing.T) {
	t.Parallel()
	tr := tree{t: t, dir: t.TempDir()}
	p := plant(tr)
	to, err := fsstore.Open(t.TempDir(), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	ctx, r := newRegistry(t, to)
	from, err := folderOf(tr)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := migrate.Run(ctx, migrate.Config{From: from, To: r, Give: from.Link(to), Problem: func(error) {}}); err != nil {
		t.Fatal(err)
	}
	for dgst := range p.a.Blobs {
		name := filepath.Join(to.Path(), "blobs", dgst.Algorithm().String(), dgst.Encoded())
		fi, err := os.Stat(name)
		if err != nil || fi.Sys().(*syscall.Stat_t).Nlink != 2 {
			t.Errorf("%s: %v, %v", dgst, fi, err)
		}
		tr.remove(dgst)
		if _, err := content.ReadBlob(ctx, to, ocispec.Descriptor{Digest: dgst}); err != nil {
			t.Error(err)
		}
	}
}

// unlinkable is a store that can link nothing.
type unlinkable struct {
	content.Linker
	asked int
	mu    sync.Mutex
}

func (u *unlinkable) Link(context.Context, ocispec.Descriptor, *os.File) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	return errdefs.Errorf(errdefs.ErrUnsupported, "another file system")
}

// TestUnlinkable ends at the first file, and does not fail for each of thousands.
func TestUnlinkable(t *testing.T) {
	t.Parallel()
	tr := tree{t: t, dir: t.TempDir()}
	for n := range uint64(40) {
		tr.image("team/many", distributiontest.NewImage(t, 10+n, 100), "v"+string(rune('a'+n%26)))
	}
	ctx, r := newRegistry(t, memstore.New(nil))
	from, err := folderOf(tr)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var u unlinkable
	report, err := migrate.Run(ctx, migrate.Config{From: from, To: r, Give: from.Link(&u), Problem: func(error) {}})
	if !errors.Is(err, errdefs.ErrUnsupported) || report.Total.Added != 0 || u.asked > 4 {
		t.Errorf("%v after %d tries: %+v", err, u.asked, report.Total)
	}
}

func TestNoStorage(t *testing.T) {
	t.Parallel()
	from, err := migrate.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := migrate.Run(t.Context(), migrate.Config{From: from}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := migrate.OpenFolder(filepath.Join(t.TempDir(), "none")); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("no folder: %v", err)
	}
}
