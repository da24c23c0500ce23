package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/usage"
)

func (f *fixture) limit(t *testing.T, project string, bytes int64) {
	t.Helper()
	err := f.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		p, _, err := tx.CreateProject(ctx, project, "")
		if err != nil {
			return err
		}
		return usage.SetLimit(ctx, tx.Tx, p.ID, &bytes)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sums are what a project uses and what waits, after a recount that finds the same.
func (f *fixture) sums(t testing.TB, project string) (used, waiting int64) {
	t.Helper()
	q := f.db.Querier()
	p, err := f.db.Project(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	r, err := usage.Recount(t.Context(), q, p.ID)
	if err != nil || !r.Equal() {
		t.Fatalf("recount of %s: %+v %v", project, r, err)
	}
	err = q.Row(t.Context(), `SELECT COALESCE(MAX(used), 0), COALESCE(MAX(waiting), 0) FROM project_usage
		WHERE project_id = $1`, p.ID).Scan(&used, &waiting)
	if err != nil {
		t.Fatal(err)
	}
	return used, waiting
}

func (f *fixture) upload(ctx context.Context, repo string, b []byte) error {
	up, err := f.StartUpload(ctx, repo)
	if err != nil {
		return err
	}
	if _, err = up.Write(b); err == nil {
		_, err = up.Commit(ctx, digest.FromBytes(b))
	}
	return errors.Join(err, up.Close())
}

// image is one of a config and a layer.
func image(t testing.TB, config, layer []byte) distribution.Manifest {
	return distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: distributiontest.Blob(ocispec.MediaTypeImageConfig, config),
		Layers: []ocispec.Descriptor{distributiontest.Blob(ocispec.MediaTypeImageLayer, layer)},
	})
}

// TestQuota follows one project from its first push to its last collection.
func TestQuota(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open opener) {
		f, ctx := newFixture(t, open), admin(t.Context())
		a, b, c := distributiontest.Bytes(1, 1000), distributiontest.Bytes(2, 2000), distributiontest.Bytes(3, 3000)
		m := image(t, a, b)
		size := m.Descriptor.Size
		want := func(what string, used, waiting int64) {
			t.Helper()
			if u, w := f.sums(t, "team"); u != used || w != waiting {
				t.Errorf("%s: %d used, %d wait; want %d and %d", what, u, w, used, waiting)
			}
		}
		do := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		refused := func(what string, err error, used int64) {
			t.Helper()
			var full *distribution.QuotaError
			if !errors.As(err, &full) || full.Used != used || full.Limit != 5000 || full.Project != "team" {
				t.Errorf("%s: %v", what, err)
			}
		}
		f.limit(t, "team", 5000)
		do("a blob", f.upload(ctx, "team/app", a))
		do("a blob", f.upload(ctx, "team/app", b))
		want("two blobs", 3000, 0)
		do("the same again", f.upload(ctx, "team/app", b))
		_, err := f.MountBlob(ctx, "team/other", "team/app", digest.FromBytes(b))
		do("a mount within the project", err)
		want("nothing twice", 3000, 0)
		_, err = f.PutManifest(ctx, "team/app", m, "v1")
		do("a manifest", err)
		want("a manifest", 3000+size, 0)

		// What does not fit is refused as soon as that is certain.
		up, err := f.StartUpload(ctx, "team/app")
		do("an upload", err)
		_, err = up.Write(c[:2000])
		do("as large as a blob that is there", err)
		_, err = up.Write(c[2000:])
		refused("more than fits", err, 3000+size)
		if _, err := f.ResumeUpload(ctx, "team/app", up.ID()); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("an upload that was refused goes on: %v", err)
		}
		do("the layer once more", f.upload(ctx, "team/app", b))

		// Another project costs this one nothing, until its blobs come here.
		do("elsewhere", f.upload(ctx, "other/app", c))
		_, err = f.MountBlob(ctx, "team/app", "other/app", digest.FromBytes(c))
		refused("a mount that does not fit", err, 3000+size)
		want("refused", 3000+size, 0)

		// What is deleted frees its bytes at once, and takes them again when it is back.
		do("delete", f.DeleteManifest(ctx, "team/app", m.Descriptor.Digest))
		want("deleted", 0, 3000) // of the manifest nothing waits: it is no blob
		_, err = f.PutManifest(ctx, "team/app", m, "v1")
		do("undelete", err)
		want("back", 3000+size, 0)
		do("delete", f.DeleteManifest(ctx, "team/app", m.Descriptor.Digest))
		do("what did not fit", f.upload(ctx, "team/app", c))
		_, err = f.PutManifest(ctx, "team/app", m, "v1")
		refused("undelete without room", err, 3000)
		want("given up", 0, 6000)
		f.drain(t)
		want("collected", 0, 0)
	})
}

// TestAbandonedPushes do not keep their bytes from others.
func TestAbandonedPushes(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open opener) {
		f, ctx := newFixture(t, open), admin(t.Context())
		f.limit(t, "team", 1500)
		if err := f.upload(ctx, "team/app", distributiontest.Bytes(1, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := f.upload(ctx, "team/other", distributiontest.Bytes(2, 1000)); !errors.Is(err, errdefs.ErrExhausted) {
			t.Errorf("beside a push that goes on: %v", err)
		}
		f.clock.Advance(20 * time.Minute)
		if err := f.upload(ctx, "team/other", distributiontest.Bytes(2, 1000)); err != nil {
			t.Errorf("beside one that nobody came back to: %v", err)
		}
		if used, waiting := f.sums(t, "team"); used != 1000 || waiting != 1000 {
			t.Errorf("%d used, %d wait", used, waiting)
		}
	})
}

// TestQuotaIsExact pushes and deletes with many clients at once, who share blobs:
// never is more used than allowed, and in the end the sums are those of a recount.
func TestQuotaIsExact(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open opener) {
		const clients, rounds, limit = 50, 3, 70_000
		f, ctx := newFixture(t, open), admin(t.Context())
		f.limit(t, "team", limit)
		var stored, refused atomic.Int64
		var group sync.WaitGroup
		stop := make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				var used int64
				err := f.db.Querier().Row(ctx, "SELECT COALESCE(MAX(used), 0) FROM project_usage").Scan(&used)
				if err != nil || used > limit {
					t.Errorf("%d of %d bytes are used: %v", used, limit, err)
				}
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		}()
		for client := range clients {
			group.Go(func() {
				for round := range rounds {
					kept, err := f.pushAs(t, ctx, client, round)
					switch {
					case err == nil && kept:
						stored.Add(1)
					case errors.Is(err, errdefs.ErrExhausted):
						refused.Add(1)
					case err != nil && !errors.Is(err, errdefs.ErrNotFound):
						t.Errorf("client %d, round %d: %v", client, round, err)
					}
				}
			})
		}
		group.Wait()
		close(stop)
		<-watched
		used, waiting := f.sums(t, "team")
		t.Logf("%d images stored, %d refused; %d of %d bytes used, %d wait", stored.Load(), refused.Load(), used, limit, waiting)
		if stored.Load() == 0 || refused.Load() == 0 || used > limit || used < limit/2 {
			t.Error("the limit was never met: the test tests nothing")
		}
		f.drain(t)
		f.sums(t, "team")
	})
}

// pushAs pushes an image of a layer that others push too and one of its own, and, in
// some rounds, deletes it.
func (f *fixture) pushAs(t testing.TB, ctx context.Context, client, round int) (kept bool, err error) {
	repo := fmt.Sprintf("team/app%d", client%4)
	own := distributiontest.Bytes(uint64(1000+client*100+round), 900)
	shared := distributiontest.Bytes(uint64(round), 1500)
	for _, b := range [][]byte{own, shared} {
		if err := f.upload(ctx, repo, b); err != nil {
			return false, err
		}
	}
	m := image(t, own, shared)
	if _, err := f.PutManifest(ctx, repo, m, fmt.Sprintf("c%d-%d", client, round)); err != nil {
		return false, err
	}
	if round%3 == 2 {
		return false, f.DeleteManifest(ctx, repo, m.Descriptor.Digest)
	}
	return true, nil
}

// TestQuotaOfSparse counts what comes after the manifest that needs it.
func TestQuotaOfSparse(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t, metadatatest.OpenSQLite), admin(t.Context())
	f.limit(t, "mirror", 1<<20)
	err := f.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		p, err := tx.Project(ctx, "mirror")
		if err == nil {
			_, err = tx.Tx.Exec(ctx, `INSERT INTO proxies (project_id, host, fresh_for, created_at)
				VALUES ($1, 'upstream', 1, 1)`, p.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := distributiontest.Bytes(1, 1000), distributiontest.Bytes(2, 2000)
	m := image(t, a, b)
	if _, err := f.PutManifest(ctx, "mirror/app", m, "v1"); err != nil {
		t.Fatal(err)
	}
	if err := f.upload(ctx, "mirror/app", b); err != nil {
		t.Fatal(err)
	}
	if used, _ := f.sums(t, "mirror"); used != 2000+m.Descriptor.Size {
		t.Errorf("%d used", used)
	}
	if err := f.DeleteManifest(ctx, "mirror/app", m.Descriptor.Digest); err != nil {
		t.Fatal(err)
	}
	if used, waiting := f.sums(t, "mirror"); used != 0 || waiting != 2000 {
		t.Errorf("%d used, %d wait", used, waiting)
	}
}
