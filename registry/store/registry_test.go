package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

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
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/storage"
	"cove/registry/store/lives"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type allowAll struct{}

func (allowAll) May(context.Context, distribution.Action, string) bool { return true }

func (allowAll) Authorize(r *http.Request, _ ...distribution.Access) (context.Context, error) {
	return admin(r.Context()), nil
}

func (allowAll) Challenge(*http.Request, ...distribution.Access) string { return "" }

// admin is the context of a caller who may do everything.
func admin(ctx context.Context) context.Context {
	return auth.WithCaller(ctx, auth.Caller{UserID: 1, Name: "admin", Admin: true})
}

type fixture struct {
	*Registry
	clock *clock
	store content.BlobStore
	db    *metadata.DB
}

// opener opens an empty database.
type opener = func(testing.TB, func() time.Time) *metadata.DB

// newFixture is a registry over memory.
func newFixture(t testing.TB, open opener) *fixture {
	t.Helper()
	return newFixtureOn(t, open, func(now func() time.Time, _ *metadata.DB) content.BlobStore { return memstore.New(now) })
}

// newStored is a registry over a folder or, if it is given, a bucket.
func newStored(t testing.TB, open opener, bucket *objects.Config) *fixture {
	t.Helper()
	return newFixtureOn(t, open, func(_ func() time.Time, db *metadata.DB) content.BlobStore {
		s, err := storage.Open(t.Context(), storage.Config{Root: metadatatest.Dir(t), Bucket: bucket, DB: db})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s.Bytes
	})
}

func newFixtureOn(
	t testing.TB, open opener, store func(now func() time.Time, db *metadata.DB) content.BlobStore,
) *fixture {
	t.Helper()
	f := &fixture{clock: newClock()}
	f.db = open(t, f.clock.Now)
	f.store = store(f.clock.Now, f.db)
	var err error
	f.Registry, err = New(t.Context(), Config{Store: f.store, DB: f.db, Rights: allowAll{}, Now: f.clock.Now}, true)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestContract runs the suite of registries over what a registry is made of: a
// folder and SQLite, a folder and PostgreSQL, a bucket and PostgreSQL.
func TestContract(t *testing.T) {
	t.Parallel()
	suite := func(t *testing.T, open opener, bucket func() *objects.Config) {
		distributiontest.Run(t, func(t *testing.T) distributiontest.Subject {
			return distributiontest.Subject{
				Registry: newStored(t, open, bucket()).Registry, Context: admin(t.Context()),
			}
		})
	}
	folder := func() *objects.Config { return nil }
	metadatatest.Each(t, func(t *testing.T, open opener) { suite(t, open, folder) })
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		service, postgres := s3test.Start(t), metadatatest.Postgres(t)
		suite(t, postgres.Open, func() *objects.Config {
			c := service.Config()
			return &c
		})
	})
}

// failing is a store that cannot delete one digest.
type failing struct {
	content.BlobStore
	dgst digest.Digest
}

func (s *failing) Delete(ctx context.Context, dgst digest.Digest) error {
	if dgst == s.dgst {
		return errors.New("input/output error")
	}
	return s.BlobStore.Delete(ctx, dgst)
}

// TestCollectGoesOnPastFailures has the storage fail for one blob: the others
// go, and it does once the storage works again.
func TestCollectGoesOnPastFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t, metadatatest.OpenSQLite)
	bad := &failing{BlobStore: f.store, dgst: digest.FromString("b")}
	f.Registry.store = bad
	ctx := admin(t.Context())
	for _, text := range []string{"a", "b", "c"} {
		up, err := f.StartUpload(ctx, "team/app")
		if err == nil {
			_, err = up.Write([]byte(text))
		}
		if err == nil {
			_, err = up.Commit(ctx, digest.FromString(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{0, 2, 0, 1} { // blobs that go: leased, all but one, too early to try again, that one
		got, err := f.Collect(ctx)
		if err != nil || got.Blobs != want {
			t.Errorf("collection %d: %+v, %v; want %d blobs", i, got, err, want)
		}
		switch i {
		case 0:
			f.clock.Advance(f.lives.Lease() + time.Second)
		case 2:
			bad.dgst = ""
			f.clock.Advance(retryAfter + time.Second)
		}
	}
}

// TestStraysAreSwept leaves bytes without a row, as a kill between the two
// does; the first collection after it removes them and nothing else.
func TestStraysAreSwept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, metadatatest.OpenSQLite)
	ctx := admin(t.Context())
	up, err := f.StartUpload(ctx, "team/app")
	if err == nil {
		_, err = up.Write([]byte("owned"))
	}
	if err == nil {
		_, err = up.Commit(ctx, digest.FromString("owned"))
	}
	if err == nil {
		_, err = content.WriteBytes(ctx, f.store, ocispec.Descriptor{}, []byte("stray"))
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := New(ctx, Config{Store: f.store, DB: f.db, Rights: allowAll{}, Now: f.clock.Now}, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		if got, err := again.Collect(ctx); err != nil || got.Blobs != want {
			t.Errorf("collection %d: %+v, %v; want %d blobs", i, got, err, want)
		}
	}
	if _, err := again.StatBlob(ctx, "team/app", digest.FromString("owned")); err != nil {
		t.Errorf("what is owned: %v", err)
	}
	if _, err := f.store.Stat(ctx, digest.FromString("stray")); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the stray: %v", err)
	}
}

// TestKilledWritesExpire leaves writes that no row leads to, as kills do; the
// first collection removes them once they are old, and what a row leads to not.
func TestKilledWritesExpire(t *testing.T) {
	t.Parallel()
	store, err := fsstore.Open(t.TempDir(), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := admin(t.Context())
	for _, id := range []string{"write/of a manifest", ingestID("LOST")} {
		w, err := store.Begin(ctx, id)
		if err == nil {
			_, err = w.Write([]byte("1234"))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	db := metadatatest.OpenSQLite(t, time.Now)
	life := time.Hour
	start := func(now func() time.Time) *Registry {
		r, err := New(ctx, Config{Store: store, DB: db, Rights: allowAll{}, Lives: lives.New(lives.Lives{Uploads: life}), Now: now}, false)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := start(time.Now)
	if got, err := r.Collect(ctx); err != nil || got != (Collected{}) {
		t.Errorf("young writes: %+v, %v", got, err)
	}
	up, err := r.StartUpload(ctx, "team/app")
	if err == nil {
		_, err = up.Write([]byte("open"))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	later := func() time.Time { return time.Now().Add(life + time.Minute) }
	r = start(later)
	if got, err := r.Collect(ctx); err != nil || got.Bytes != 8 {
		t.Errorf("old writes: %+v, %v; want their 8 bytes", got, err)
	}
	for in, err := range store.Ingests(ctx) {
		if err != nil || !in.Open {
			t.Errorf("left: %+v, %v", in, err)
		}
	}
	if r.writesDue.Load() <= later().UnixMicro() {
		t.Error("the next look is due at once")
	}
}

// TestRefusedBeforeAnyTransaction: a manifest with thousands of layers that are
// not here is refused without a write, however many push one at once, and nothing
// of it stays.
func TestRefusedBeforeAnyTransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t, metadatatest.OpenSQLite)
	ctx := admin(t.Context())
	img := distributiontest.NewImage(t, 1, 10)
	pushAll(t, ctx, f.Registry, img)
	if _, err := f.PutManifest(ctx, "team/app", img.Manifest, "v1"); err != nil {
		t.Fatal(err)
	}
	before, err := f.db.Sequence(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: img.Config}
	m.SchemaVersion = 2
	for i := range 9000 {
		m.Layers = append(m.Layers, distributiontest.Blob(ocispec.MediaTypeImageLayer, fmt.Appendf(nil, "absent %d", i)))
	}
	bad := distributiontest.NewManifest(t, m)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := f.PutManifest(ctx, "team/app", bad, "bad")
			var missing *distribution.MissingError
			if !errors.As(err, &missing) || len(missing.Digests) != 9000 {
				t.Errorf("%.200v", err)
			}
		})
	}
	wg.Wait()
	if _, err := f.store.Stat(ctx, bad.Descriptor.Digest); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the bytes of what was refused: %v", err)
	}
	if after, err := f.db.Sequence(ctx); err != nil || after != before {
		t.Errorf("the database was written to: %d, %d (%v)", before, after, err)
	}
}
