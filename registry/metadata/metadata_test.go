package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// update is DB.Update that must succeed.
func update(t *testing.T, db *metadata.DB, fn func(ctx context.Context, tx *metadata.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// addManifest records a manifest of no blobs.
func addManifest(ctx context.Context, tx *metadata.Tx, repo string, m metadata.Manifest, tags ...string) error {
	id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
	if err == nil {
		err = tx.AddBytes(ctx, m.Descriptor.Digest, m.Descriptor.Size)
	}
	if err == nil {
		err = tx.AddManifest(ctx, id, m, "")
	}
	for _, tag := range tags {
		if err == nil {
			err = tx.SetTag(ctx, id, tag, m.Descriptor.Digest, "someone")
		}
	}
	return err
}

func manifest(text string) metadata.Manifest {
	return metadata.Manifest{Descriptor: ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(text), Size: int64(len(text)),
	}}
}

// TestLists pages through tags and repositories, in the order of bytes on
// either engine.
func TestLists(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, now)
		tags := []string{"1", "10", "2", "A", "B", "Z", "_x", "a", "a-b", "a.b", "a_b", "b", "latest"}
		update(t, db, func(ctx context.Context, tx *metadata.Tx) error {
			shuffled := slices.Clone(tags)
			slices.Reverse(shuffled)
			return addManifest(ctx, tx, "team/app", manifest("x"), shuffled...)
		})
		for _, repo := range []string{"team/app-b", "team/app/sub", "team/appb", "other/z"} {
			update(t, db, func(ctx context.Context, tx *metadata.Tx) error { return addManifest(ctx, tx, repo, manifest("x")) })
		}
		update(t, db, func(ctx context.Context, tx *metadata.Tx) error {
			_, err := tx.EnsureRepository(ctx, "team/empty", metadata.Creator{})
			return err
		})
		id, err := db.Repository(t.Context(), "team/app")
		if err != nil {
			t.Fatal(err)
		}
		checkPages(t, tags, func(last string, n int) ([]string, error) { return db.Tags(t.Context(), id, last, n) })
		checkPages(t, []string{"other/z", "team/app", "team/app-b", "team/app/sub", "team/appb"}, func(last string, n int) ([]string, error) {
			return db.Repositories(t.Context(), metadata.Viewer{All: true}, last, n)
		})
		if none, err := db.Repositories(t.Context(), metadata.Viewer{}, "", 10); err != nil || len(none) != 0 {
			t.Errorf("a stranger sees %v, %v", none, err)
		}
	})
}

func checkPages(t *testing.T, want []string, list func(last string, n int) ([]string, error)) {
	t.Helper()
	for n := 1; n <= len(want)+1; n++ {
		var got []string
		for last := ""; ; {
			page, err := list(last, n)
			if err != nil || len(page) > n {
				t.Fatalf("a page of %d: %v, %v", n, page, err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			last = page[len(page)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", n, got, want)
		}
	}
}

// TestUpdatesAreAlone lets writes fail beside others that succeed: a failed one
// leaves nothing, whoever shared its commit.
func TestUpdatesAreAlone(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, now)
		errMine := errors.New("mine")
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				write := db.Update
				if i%2 == 0 {
					write = db.UpdateSoon
				}
				err := write(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
					if err := tx.AddUser(ctx, fmt.Sprint("user", i), "", false); err != nil {
						return err
					}
					if i%3 == 0 {
						return errMine
					}
					return nil
				})
				if i%3 == 0 != errors.Is(err, errMine) || i%3 != 0 && err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		users, err := db.Users(t.Context(), "", 100)
		if err != nil || len(users) != 40 {
			t.Fatalf("%d users, %v; want the 40 whose writes succeeded", len(users), err)
		}
	})
}

// TestUpdateOutlivesItsContext cancels writes that wait: each either happened
// and says so, or did not.
func TestUpdateOutlivesItsContext(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, now)
	type key struct{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	happened := 0
	for i := range 50 {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, i))
		wg.Go(func() {
			err := db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
				if ctx.Value(key{}) != i {
					t.Error("the values of the caller's context are lost")
				}
				cancel()
				return tx.AddUser(ctx, fmt.Sprint("user", i), "", false)
			})
			cancel()
			if err == nil {
				mu.Lock()
				happened++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	users, err := db.Users(t.Context(), "", 100)
	if err != nil || len(users) != happened || happened != 50 {
		t.Errorf("%d writes said they happened, %d did (%v)", happened, len(users), err)
	}
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, now)
		subject := digest.FromString("subject")
		for i := range 4 {
			m := manifest(fmt.Sprint("referrer ", i))
			m.Subject = subject
			m.Descriptor.ArtifactType = fmt.Sprint("type/", i%2)
			m.Descriptor.Annotations = map[string]string{"n": fmt.Sprint(i)}
			update(t, db, func(ctx context.Context, tx *metadata.Tx) error { return addManifest(ctx, tx, "team/app", m) })
		}
		for artifactType, want := range map[string]int{"": 4, "type/0": 2, "type/9": 0} {
			got, _, err := db.Referrers(t.Context(), "team/app", metadata.ReferrersQuery{
				Subject: subject, ArtifactType: artifactType, N: 10, Bytes: 1 << 20,
			})
			if err != nil || len(got) != want {
				t.Errorf("of type %q: %d, %v, want %d", artifactType, len(got), err, want)
			}
			for _, d := range got {
				if d.Annotations["n"] == "" || d.MediaType == "" || d.Size == 0 {
					t.Errorf("incomplete: %+v", d)
				}
			}
		}
		for _, repo := range []string{"team/other", "none/none"} {
			if got, _, err := db.Referrers(t.Context(), repo, metadata.ReferrersQuery{Subject: subject, N: 10, Bytes: 1 << 20}); err != nil || len(got) != 0 {
				t.Errorf("in %s: %v, %v", repo, got, err)
			}
		}
	})
}

// TestDeletes refuses what would break something that is kept.
func TestDeletes(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		db := open(t, now)
		blob, child := digest.FromString("blob"), manifest("child")
		index := manifest("index")
		index.Children = []ocispec.Descriptor{child.Descriptor}
		child.Blobs = []ocispec.Descriptor{{Digest: blob, Size: 1}}
		var id int64
		update(t, db, func(ctx context.Context, tx *metadata.Tx) (err error) {
			if id, err = tx.EnsureRepository(ctx, "team/app", metadata.Creator{Name: "me", UserID: 0}); err != nil {
				return err
			}
			return errors.Join(tx.AddBytes(ctx, blob, 4), tx.AddBlob(ctx, id, blob, now()),
				addManifest(ctx, tx, "team/app", child), addManifest(ctx, tx, "team/app", index, "v1"))
		})
		remove := func(dgst digest.Digest) func(context.Context, *metadata.Tx) error {
			return func(ctx context.Context, tx *metadata.Tx) error {
				return tx.RemoveManifest(ctx, id, dgst, "me", time.Hour)
			}
		}
		removeBlob := func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveBlob(ctx, id, blob) }
		for i, step := range []struct {
			do   func(context.Context, *metadata.Tx) error
			want error
		}{
			{removeBlob, errdefs.ErrConflict},
			{remove(child.Descriptor.Digest), errdefs.ErrConflict},
			{func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveProject(ctx, "team", "") }, errdefs.ErrConflict},
			{remove(digest.FromString("absent")), errdefs.ErrNotFound},
			{remove(index.Descriptor.Digest), nil},
			{remove(index.Descriptor.Digest), errdefs.ErrNotFound},
			{remove(child.Descriptor.Digest), nil},
			{removeBlob, nil},
			{removeBlob, errdefs.ErrNotFound},
			{func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveProject(ctx, "team", "") }, nil},
			{func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveProject(ctx, "team", "") }, errdefs.ErrNotFound},
		} {
			if err := db.Update(t.Context(), step.do); !errors.Is(err, step.want) {
				t.Errorf("step %d: %v, want %v", i, err, step.want)
			}
		}
	})
}

// TestOpenAgain closes and opens a database: what was written is there, and
// the migrations find nothing to do.
// TestOpenAtOnce makes one database from several sides, as a server and a command do that
// are started together on an empty folder.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "db")
	errs := make(chan error)
	for range 6 {
		go func() {
			db, err := metadata.Open(context.Background(), metadata.Config{DSN: name})
			if err == nil {
				err = db.Close()
			}
			errs <- err
		}()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	dsn := metadatatest.Dir(t) + "/a b?c#d%20.db"
	for i := range 3 {
		at := func() time.Time { return now().Add(time.Duration(i) * time.Hour) }
		db, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn, Now: at})
		if err != nil {
			t.Fatal(err)
		}
		update(t, db, func(ctx context.Context, tx *metadata.Tx) error {
			return tx.Audit(ctx, "me", "open", fmt.Sprint(i), "")
		})
		var newest string
		if err := db.Querier().Row(t.Context(), "SELECT object FROM audit ORDER BY id DESC LIMIT 1").Scan(&newest); err != nil || newest != fmt.Sprint(i) {
			t.Errorf("open %d: %s, %v", i, newest, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Update(t.Context(), func(context.Context, *metadata.Tx) error { return nil }); !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("a write after Close: %v", err)
		}
	}
}

func TestCanonicalName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"redis": {"library/redis", "library"}, "library/redis": {"library/redis", "library"}, "a/b/c": {"a/b/c", "a"}, "": {"", ""},
	} {
		if got := [2]string{metadata.CanonicalName(name), metadata.ProjectOf(name)}; got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestLocksLeaveConnections: as many as there are connections, and more, hold a
// lock and then write.
func TestLocksLeaveConnections(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		locked := make(chan struct{})
		var holders atomic.Int64
		for i := range 40 {
			wg.Go(func() {
				unlock, err := m.LockDigest(ctx, digest.FromString(fmt.Sprint(i)))
				if err != nil {
					t.Error(err)
					return
				}
				defer unlock()
				if holders.Add(1) == 16 {
					close(locked)
				}
				<-locked // sixteen hold a lock before anyone writes
				if err := m.Update(ctx, func(context.Context, *metadata.Tx) error { return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// TestLockOfSeveral: who asks for keys in different orders neither meets inside
// nor waits forever, and who gives up leaves nothing locked. With PostgreSQL the
// others are in another process, which knows nothing of this one's mutexes.
func TestLockOfSeveral(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		m := metadatatest.OpenSQLite(t, nil)
		lockOfSeveral(t, m, m)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := metadatatest.Postgres(t).New(t)
		var both [2]*metadata.DB
		for i := range both {
			m, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close() })
			both[i] = m
		}
		lockOfSeveral(t, both[0], both[1])
	})
}

func lockOfSeveral(t *testing.T, one, other *metadata.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var inside atomic.Int32
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			m, keys := one, []string{"a", "b", "a"}
			if i%2 == 0 {
				m, keys = other, []string{"b", "a"}
			}
			unlock, err := m.Lock(ctx, keys...)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) != 1 {
				t.Error("two are inside")
			}
			inside.Add(-1)
			unlock()
		})
	}
	wg.Wait()
	held, err := one.Lock(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	defer held()
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if _, err := other.Lock(short, "a", "b"); err == nil {
		t.Error("a lock that is held was had")
	}
	unlock, err := one.Lock(ctx, "a")
	if err != nil {
		t.Fatalf("what the one who gave up had locked: %v", err)
	}
	unlock()
}
